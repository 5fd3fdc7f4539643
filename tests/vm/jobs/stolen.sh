# What the jobs share in which a program of the agent is stolen: $stolen names it. In its place, with its label, user and
# unit, runs one that somebody else wrote. Sourced by each.
# shellcheck shell=bash
# shellcheck source=tests/vm/jobs/common.sh
. ./common.sh
: "${stolen:?}"
# Whom it would signal, trace and read.
victim=waagent-ext.service
program=/usr/libexec/waagent/waagent-$stolen
unit=waagent-$stolen.service
log=/var/log/waagent.log
folder=/usr/libexec/waagent-stolen
verdicts=$OUT/verdicts
install -d "$verdicts" $folder

is_answered() {
    grep -qF "\"goal_state_id\": \"incarnation_$1\"" $lib/ext/status.json && grep -q '"complete": true' $lib/ext/status.json
}
# reported CODE TEXT: the report of the last goal state.
reported() { grep -q "\"code\": $1," $lib/ext/status.json && grep -F "$2" $lib/ext/status.json; }
ready() { grep -qF '"status": "Ready"' $lib/ext/status.json; }

# tell NAME=VALUE...: to whatever is started from now on.
tell() {
    systemctl set-environment "${@/#/STOLEN_}"
    export "${@/#/STOLEN_}"
}

# record NAME COMMAND...: it starts the acts, which say in the agent's log what came of them.
record() {
    local name=$1 before
    before=$(wc -l <$log)
    shift
    "$@"
    wait_until 300 acts_are_done "$before"
    tail -n "+$((before + 1))" $log >"$verdicts/$name.log"
    sed -n 's/^act //p' "$verdicts/$name.log" >"$verdicts/$name"
}
acts_are_done() { tail -n "+$(($1 + 1))" $log | grep -qx "acts done"; }

# alone NAME LINE...: a unit that tries all, with these settings.
alone() {
    local name=$1
    shift
    printf '%s\n' '[Service]' Type=oneshot "StandardOutput=append:$log" "$@" >"/run/systemd/system/stolen-$name.service"
    systemctl daemon-reload
    record "$stolen-$name" systemctl start "stolen-$name.service"
}

# member NAME: of the goal state.
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" $lib/fetch/goal-state.json | head -n 1; }

# What the acts are tried on, as things are now; and a certificate that isn't this machine's.
tell_what_is_there() {
    [ -e thief.der ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=thief -outform der -out thief.der 2>/dev/null
    tell "CERTIFICATE=$(openssl base64 -A <thief.der)" \
        "CERTIFICATES=/machine/$(member container_id)/$(member instance_id)?comp=certificates&incarnation=$(member incarnation)"
    tell MODE=acts "VICTIM=$(systemctl show -P MainPID "$victim")" "KEY=$(find $lib/certs -name '*.prv' | head -n 1)" \
        "COMMAND=$(find $lib/ext/commands -name '*.json' | head -n 1)" "SETTINGS=$(find $lib/*-*/config -name '*.settings' | head -n 1)"
}

# Each layer by itself but the unit: without any, in the domain with every capability, in the honest program's sandbox.
# Before the program is stolen.
try_layers() {
    local user=() own
    tell_what_is_there
    [ "$stolen" = gate ] || user=("User=waagent-$stolen" AmbientCapabilities=~)
    record control sh -c "./stolen acts >>$log"
    install -m 0755 stolen $folder/domain
    chcon -t "waagent_${stolen}_exec_t" $folder/domain
    alone domain "ExecStart=$folder/domain acts" SupplementaryGroups=waagent "${user[@]}"
    mv "$verdicts/$stolen-domain" "$verdicts/$stolen"
    install -m 0755 stolen $folder/own
    install -m 0755 enter $folder/enter
    mapfile -t own < <(grep -E '^(User|Group|SupplementaryGroups|.*Capabilit.*)=' "/usr/lib/systemd/system/$unit")
    alone own "ExecStart=$folder/enter waagent-$stolen $folder/own acts" "${own[@]}"
}

steal() {
    systemctl stop "$unit"
    [ -e honest ] || cp -a "$program" honest
    install -m 0755 stolen "$program"
    restorecon "$program"
}
give_back() {
    systemctl stop "$unit"
    cp -a --remove-destination honest "$program"
    restorecon "$program"
    tell MODE=
    systemctl reset-failed "$unit"
    systemctl start "$unit"
}

# In place, as the machine is.
try_in_place() {
    tell_what_is_there
    record "$stolen-place" systemctl restart "$unit"
    check "all acts were tried in place" test "$(wc -l <"$verdicts/$stolen-place")" -ge "$(wc -l <"$verdicts/control")"
    check "the stolen program has its domain and its user" in_its_place
}
in_its_place() {
    local process
    process=$(systemctl show -P MainPID "$unit")
    grep -q ":waagent_${stolen}_t:" "/proc/$process/attr/current" && cmp "/proc/$process/exe" stolen &&
        [ "$(stat -c %U "/proc/$process")" = "$(systemctl show -P User "$unit")" ]
}

# In place with SELinux off: the unit is all that is left. After common_checks, which want it enforcing.
try_without_selinux() {
    steal
    tell_what_is_there
    setenforce 0
    record "$stolen-unit" systemctl restart "$unit"
    check "all acts were tried without SELinux" test "$(wc -l <"$verdicts/$stolen-unit")" = "$(wc -l <"$verdicts/$stolen-place")"
}
end_without_selinux() {
    setenforce 1
    give_back
    check "the machine goes on" wait_until 60 systemctl is-active "$victim" "${unit/transfer.service/transfer.socket}"
}

# More memory than the unit has.
try_memory() {
    tell MODE=memory
    systemctl restart --no-block "$unit"
    check "who takes more memory than its unit has is ended" wait_until 60 journalctl -b -q --grep "$unit: .*oom-kill"
    tell MODE=
}

# The platform has another goal state from now on.
next_goal_state() {
    exec {platform}<>/dev/tcp/10.0.0.1/8099
    printf 'POST /fabric/next HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' >&"$platform"
    grep -q '"moved": *true' <&"$platform"
    exec {platform}>&-
}

denials_of_stolen() { audit_records | grep -a 'avc: *denied' | grep -a "scontext=[^ ]*:waagent_${stolen}_t:"; }
expected_denials="scontext=[^ ]*:waagent_${stolen}_t:"

# What the programs that aren't stolen own, and the system; logs and the planner's folder change by themselves.
fingerprint() {
    find /etc /usr /root /home /boot $lib/net $lib/certs $lib/disk $lib/provision $lib/provisioned $lib/ovf-env.xml \
        $lib/CustomData -xdev ! -type d ! -path '/etc/lvm/*' -printf '%p %m %u %g %s %T@ %l\n' 2>/dev/null | sort
}
