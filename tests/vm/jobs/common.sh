# What the jobs in the guest share. Sourced by each; bash, coreutils, systemd, audit and policycoreutils are there.
# shellcheck shell=bash
. ./checks.sh
lib=/var/lib/waagent

# Until the driver outside says that the platform has seen all, or so many seconds.
wait_for_driver() {
    local left=$1
    until [ -e /run/driver-is-done ]; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 1
    done
}

# wait_until SECONDS COMMAND...
wait_until() {
    local left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 1
    done
}

# All audit records of this boot: auditd's, and the journal's from before auditd ran.
audit_records() {
    { ausearch --input-logs --raw -ts boot; journalctl -b -q -o cat _TRANSPORT=audit; } 2>/dev/null
}

# Denials with a type of the agent's as source or target: none is good.
denials() {
    local found
    found=$(audit_records | grep -E 'avc: +denied|SELINUX_ERR|op=security_' | grep -E 'waagent_[a-z_]+_t' |
        sed -E 's/(type=|)(AVC|USER_AVC|SELINUX_ERR)? ?(msg=)?audit\([^)]*\):? ?//' | sort -u)
    printf '%s\n' "$found"
    test -z "$found"
}

# "<program> <domain>" of each start of a program of the agent, as the kernel recorded it after execve(2).
domains() {
    audit_records | grep -a 'exe="/usr/libexec/waagent/' |
        sed -nE 's/.* exe="\/usr\/libexec\/waagent\/([^"]+)" subj=[^:]+:[^:]+:([^: ]+).*/\1 \2/p' | sort | uniq -c
}

# domain PROGRAM DOMAIN: it ran, and never in another domain.
domain() {
    domains | awk -v program="$1" '$2 == program' | tee /run/domain
    [ "$(awk '{ print $3 }' /run/domain)" = "$2" ]
}

# Labels of all that the agent owns, or has made, are what the policy says.
labels() {
    local wrong
    wrong=$(restorecon -nRv /usr/libexec/waagent /usr/sbin/waagent /usr/lib/systemd/system $lib /run/waagent \
        /var/log/waagent.log /var/log/azure /etc /home /root /mnt 2>&1)
    printf '%s\n' "$wrong"
    test -z "$wrong"
}

no_failed_unit() {
    local units
    units=$(systemctl list-units --failed --no-legend --plain)
    printf '%s\n' "$units"
    test -z "$units"
}

# What a person wants to see when a check failed.
keep_evidence() {
    systemctl list-units --all --no-legend --plain >"$OUT/units"
    domains >"$OUT/domains"
    audit_records >"$OUT/audit"
    ps -eZ >"$OUT/processes"
    ls -lRZ /var/lib/waagent /run/waagent /mnt/resource >"$OUT/files" 2>&1
    cp /var/log/waagent.log "$OUT"
    mkdir "$OUT/documents"
    cp --parents -r /var/lib/waagent/{net,fetch,provision,disk,ext} "$OUT/documents" 2>/dev/null
    cp -r /var/log/azure "$OUT/log-azure"
}
