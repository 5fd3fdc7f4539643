# What the native tier's jobs share: run in the machine, in the job's folder, when all that is waited for outside has come.
# shellcheck shell=bash
# shellcheck source=tests/vm/jobs/common.sh
. ./common.sh

# No job of PID 1's, no program of the agent at work but the residents; seen three times, for a path unit may be about to
# start something.
wait_for_rest() {
    local quiet=0
    for _ in {1..200}; do
        if ! systemctl list-jobs --no-legend | grep -q . &&
            ! systemctl list-units --no-legend --plain --state=activating,deactivating 'waagent*' 'mnt-*' | grep -q .; then
            quiet=$((quiet + 1))
        else
            quiet=0
        fi
        [ $quiet -lt 3 ] || return 0
        sleep 0.1
    done
    return 1
}

# The machine as a boot must leave it, but for what is random, of this moment, or a count: two boots that went well print
# the same.
end_state() {
    echo "-- units"
    systemctl list-units --all --no-legend --plain 'waagent*' 'azure*' 'mnt-*' ssh.service \
        systemd-networkd.service |
        awk '$1 ~ /^waagent-transfer\./ { $3 = $4 = "by its orders" } { print $1, $2, $3, $4 }' | sort
    systemctl list-units --failed --no-legend --plain | awk '{ print "failed:", $1 }'
    echo "-- files"
    (cd / && find var/lib/waagent run/waagent etc/hostname etc/ssh etc/sudoers.d home root mnt var/log/azure \
        -printf '%y %m %u:%g %p -> %l\n' | of_any_moment | sort -u)
    echo "-- contents"
    sha256sum /etc/passwd /etc/group /etc/hostname /etc/sudoers.d/waagent /etc/ssh/sshd_config.d/*waagent* \
        /home/*/.ssh/authorized_keys
    cut -d: -f1,2 /etc/shadow | sed 's/\$.*/a password/'
    # A step that an earlier pass of this boot had done is unchanged in the next.
    grep -H '"state"' /var/lib/waagent/*/*.json | sed '/provision.status.json/s/"unchanged"/"done"/'
    echo "-- firewall"
    nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/'
    echo "-- mounts"
    findmnt --raw --noheadings --output TARGET,FSTYPE | grep -E 'waagent|^/mnt' | sort
}

# Commands are called by the moment of their beginning.
of_any_moment() { sed -E 's/[0-9]{13}-/N-/'; }

# Units that failed and were started again.
restarts() { systemctl show 'waagent*.service' --property=Id,NRestarts | awk -v RS= '/NRestarts=[^0]/' | grep .; }

# Landlock is the host's kernel's.
landlock_is_offered() {
    local status=1
    mkdir -p /run/securityfs
    mount -t securityfs securityfs /run/securityfs && grep -qw landlock /run/securityfs/lsm && status=0
    umount /run/securityfs && rmdir /run/securityfs
    return $status
}

# The bed's own drop-ins aside, see agents/ours.
audit_is_content() {
    local report
    report=$(/usr/sbin/waagent audit)
    echo "$report"
    grep -q ' as declared' <<<"$report" &&
        [ "$(grep -c '^ *expected:' <<<"$report")" = "$(grep -c '^ *remedy:.*/bed.conf' <<<"$report")" ]
}
