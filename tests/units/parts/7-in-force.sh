# What a service manager makes of the units, as waagent audit sees it
# shellcheck shell=bash disable=SC2034,SC2154

nothing_of_units_differs() {
    jq -r '.findings[] | select(.layer == "unit" and .state != "ok") | "\(.what): \(.expected) \(.found)"' \
        "$scratch/force/as-installed" | { ! grep .; } && [ "$(cat "$scratch/force/as-installed.status")" = 0 ] &&
        [ "$(jq '[.findings[] | select(.layer == "unit")] | length' "$scratch/force/as-installed")" -gt 300 ]
}

drop_in_is_found() { # NAME UNIT KEY
    [ "$(cat "$scratch/force/$1.status")" = 1 ] || { cat "$scratch/force/$1"; return 1; }
    jq -r '.findings[] | select(.state == "differs") | .what' "$scratch/force/$1" | sort -u | diff <(echo "$2 $3") -
}

# Of all that tmpfiles makes below /var/lib/waagent.
writes_alone_in() { # UNIT FOLDER...
    local unit=$1
    shift
    diff <(printf '/var/lib/waagent%s\n' "$@" | sort) <(sort "$scratch/force/$unit.writes")
}

mkdir "$scratch/force"
if [ "$(id -u)" != 0 ]; then
    untested "what systemd makes of the units" "not root"
elif ! "$repository/tests/units/lib/manager" "$scratch/force" "$(realpath "$binaries")" >"$scratch/force.log" 2>&1; then
    untested "what systemd makes of the units" "no manager in name spaces of its own: $(tail -1 "$scratch/force.log")"
else
    check "waagent audit: units are in force as installed and declared" nothing_of_units_differs
    check "waagent audit finds a capability in a drop-in" drop_in_is_found capability waagent-net.service CapabilityBoundingSet
    check "waagent audit finds another user" drop_in_is_found user waagent-fetch.service User
    check "waagent audit finds hardening taken away" drop_in_is_found hardening waagent-certs.service ProtectSystem
    check "waagent audit finds a writable folder" drop_in_is_found writable waagent-ext.service ReadWritePaths
    check "waagent audit finds an address family" drop_in_is_found family waagent-gate.service RestrictAddressFamilies
    check "waagent audit finds a device" drop_in_is_found device waagent-media.service DeviceAllow
    check "waagent audit finds an open address" drop_in_is_found address waagent-gate.service IPAddressAllow
    check "waagent audit finds system calls" drop_in_is_found call waagent-disk.service SystemCallFilter
    check "waagent audit finds another command" drop_in_is_found command waagent-provision.service ExecStart
    # Whatever owners and modes say. Extensions' own folders are beside these.
    check "waagent-ext writes in no other program's folder" \
        writes_alone_in waagent-ext.service "" /events /ext /ext/commands /ext/events /ext/results
    for unit in waagent-provision.service waagent-provision-late.service; do
        check "$unit: no folder of another program is writable" \
            writes_alone_in $unit "" /events /provision /provision/events
    done
    check "waagent-disk writes in its own folder alone" writes_alone_in waagent-disk.service /disk /disk/events
fi
