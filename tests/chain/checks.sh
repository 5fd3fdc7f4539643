# Named checks, counted; and programs run alone with the rights that the chain gives them. Sourced by the chain tests.
# shellcheck shell=bash

passed=0
failed=0
untested=0

# check NAME COMMAND...: passes when the command does.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        printf 'ok    %s\n' "$name"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n' "$name"
        printf '%s\n' "$output" | sed 's/^/      /' | tail -n 20
    fi
}

# refuse NAME COMMAND...: passes when the command fails.
refuse() {
    local name=$1
    shift
    check "$name" not "$@"
}

not() { ! "$@"; }

# untested NAME WHY
untested() {
    untested=$((untested + 1))
    printf 'NOT TESTED  %s: %s\n' "$1" "$2"
}

# The result line that continuous integration counts.
finish() {
    printf '%s: %s passed, %s failed, %s skipped\n' "$1" "$passed" "$failed" "$untested"
    [ "$failed" = 0 ]
}

# run_as PROGRAM ARGUMENT...: one run by hand, with the rights that its unit gives it.
run_as() {
    local program=$1 user=root group=root groups=waagent capabilities=
    shift
    case $program in
    waagent-net) user=waagent-net group=waagent-net capabilities=net_admin ;;
    waagent-media) user=waagent-media group=waagent-media groups=waagent,cdrom ;;
    waagent-certs | waagent-fetch) user=$program group=$program ;;
    waagent-disk) capabilities=sys_admin ;;
    waagent-provision)
        groups=waagent,waagent-media
        capabilities=audit_write,chown,dac_override,dac_read_search,fowner,fsetid,setgid,setuid,sys_admin
        ;;
    esac
    local bounding=-all inherited=
    if [ -n "$capabilities" ]; then
        bounding=-all,+${capabilities//,/,+}
        inherited=+${capabilities//,/,+}
    fi
    setpriv --reuid "$user" --regid "$group" --groups "$groups" --bounding-set "$bounding" \
        ${inherited:+--inh-caps "-all,$inherited" --ambient-caps "-all,$inherited"} --no-new-privs \
        "/usr/libexec/waagent/$program" "$@" >>/var/log/waagent.log
}

# A fingerprint of all that the agent keeps: names, owners, modes, contents.
snapshot() {
    (cd / && find var/lib/waagent etc/passwd etc/shadow etc/sudoers.d etc/ssh etc/hostname home/orchard \
        -printf '%p %y %m %U %G %l\n' -type f -exec sha256sum {} + 2>/dev/null) | LC_ALL=C sort
}
