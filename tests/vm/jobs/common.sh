# What the jobs in the guest share. Sourced by each; bash, coreutils, systemd, audit and policycoreutils are there.
# shellcheck shell=bash
# shellcheck source=tests/chain/checks.sh
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

# The programs of the agent, each with its domain.
programs="certs:certs gate:gate disk:disk ext:ext ext-run:ext_run fetch:fetch media:media net:net provision:provision transfer:transfer"

# Every scenario ends with these: common_checks [PROGRAM...]. The named programs must have run in this boot, by default
# all; whatever ran did so in its own domain. $may_fail: the units that the scenario makes fail.
common_checks() {
    local ran=${*:-certs gate disk ext ext-run fetch media net provision transfer} pair
    check "SELinux is enforcing, and never was anything else" always_enforcing
    for pair in $programs; do
        case " $ran " in
        *" ${pair%:*} "*) check "waagent-${pair%:*} ran in its own domain alone" domain "waagent-${pair%:*}" "waagent_${pair#*:}_t" ;;
        esac
    done
    check "no program of the agent ran in another's domain" no_stray
    check "no denial names a type of the agent" denials
    check "every label is as the policy says" labels
    check "no unit failed${may_fail:+ but $may_fail}" no_failed_unit
}

# All audit records of this boot, made again when there are more. With audit=1 on the kernel's command line those from
# before auditd ran are kept for it; it writes them after its own start.
audit_records() {
    if [ ! /run/audit-records -nt /var/log/audit/audit.log ]; then
        # shellcheck disable=SC2011,SC2012 # names without surprises, in the order of their times
        ls -tr /var/log/audit/audit.log* | xargs cat |
            awk '/^type=DAEMON_START/ { kept = "" } { kept = kept $0 "\n" } END { printf "%s", kept }' >/run/audit-records
    fi
    cat /run/audit-records
}

# The policy was loaded once, at boot, into a kernel that was told to enforce.
always_enforcing() {
    [ "$(getenforce)" = Enforcing ] && ! audit_records | grep -a 'type=MAC_STATUS.* enforcing=0'
}

# Denials with a type of the agent's as source or target: none is good. ./silent names those that the policy doesn't
# audit, for an image in which it audits everything.
denials() {
    local found
    found=$(audit_records | grep -aE 'avc: +denied|SELINUX_ERR|op=security_' | grep -aE 'waagent_[a-z_]+_t' |
        grep -avE "${expected_denials:-^$}" | sed -E 's/msg=audit\([^)]*\): ?//' | without_silent | sort -u)
    printf '%s\n' "$found"
    test -z "$found"
}

# Lines of ./silent: source, target, class, permissions (joined by commas), and the reason. Types may hold "*".
without_silent() {
    if [ ! -e ./silent ]; then
        cat
        return
    fi
    awk '
        function type(context) { split(context, part, ":"); return part[3] }
        function pattern(text) { gsub(/\*/, ".*", text); return "^" text "$" }
        FNR == NR {
            if ($0 ~ /^(#|$)/) next
            known++
            source[known] = pattern($1); target[known] = pattern($2); class[known] = $3; silent[known] = "," $4 ","
            next
        }
        {
            for (i = 1; i <= NF; i++) if (split($i, pair, "=") > 1) field[pair[1]] = pair[2]
            from = type(field["scontext"]); to = type(field["tcontext"])
            begin = index($0, "{")
            count = split(substr($0, begin + 1, index($0, "}") - begin - 1), asked, " ")
            named = 0
            for (i = 1; i <= count; i++)
                for (k = 1; k <= known; k++)
                    if (class[k] == field["tclass"] && index(silent[k], "," asked[i] ",") && from ~ source[k] && to ~ target[k]) {
                        named++
                        break
                    }
            if (named < count || count == 0) print
        }' ./silent -
}

# "<program> <domain>" of each start of a program of the agent, as the kernel recorded it after execve(2); but for those
# by hand from an administrator's session, which has an SELinux user of its own.
domains() {
    audit_records | grep -a 'exe="/usr/libexec/waagent/' | grep -av ' subj=unconfined_u:' |
        sed -nE 's/.* exe="\/usr\/libexec\/waagent\/([^"]+)" subj=[^:]+:[^:]+:([^: ]+).*/\1 \2/p' | sort | uniq -c
}

# domain PROGRAM DOMAIN: it ran, and never in another domain.
domain() {
    domains | awk -v program="$1" '$2 == program' | tee /run/domain
    [ "$(awk '{ print $3 }' /run/domain)" = "$2" ]
}

# Also of those that a scenario doesn't expect to have run.
no_stray() {
    local pair
    for pair in $programs; do
        echo "waagent-${pair%:*} waagent_${pair#*:}_t"
    done >/run/own-domains
    domains | sed 's/^ *[0-9]* //' | not grep -vxFf /run/own-domains
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
    systemctl list-units --failed --no-legend --plain | grep -vE "^(${may_fail// /|}) " | tee /run/failed-units
    [ ! -s /run/failed-units ]
}

# says UNIT TEXT: in this boot.
says() { journalctl -b -q -o cat -u "$1" | grep -F "$2"; }

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
