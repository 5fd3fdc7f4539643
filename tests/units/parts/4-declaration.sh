# One declaration: each unit and its program's policy
# shellcheck shell=bash disable=SC2034,SC2154

declared() { # POLICY FILTER -> sorted file
    jq -r "$2" "$1" | sort -u > "$scratch/declared"
}

user_matches() { # UNIT POLICY
    local wanted
    wanted=$(jq -r '.runs_as | if type == "object" then .user else . end' "$2")
    local user
    user=$(values "$1" User)
    [ "${user:-root}" = "$wanted" ] || { echo "User=${user:-root}, the policy says $wanted"; return 1; }
}

# The primary group counts, where it isn't the user's own.
groups_match() { # UNIT POLICY
    declared "$2" '.groups[].what'
    { words "$1" SupplementaryGroups; words "$1" Group; } | sort -u > "$scratch/unit"
    compare "$1" SupplementaryGroups "$scratch/declared" "$scratch/unit"
}

# An own user gets them as ambient ones; uid 0 has what the bounding set leaves it.
capabilities_match() { # UNIT POLICY
    declared "$2" '.capabilities[].what'
    words "$1" CapabilityBoundingSet > "$scratch/unit"
    grep -q '^CapabilityBoundingSet=' "$units/$1" || { echo "no CapabilityBoundingSet="; return 1; }
    compare "$1" CapabilityBoundingSet "$scratch/declared" "$scratch/unit" || return 1
    words "$1" AmbientCapabilities > "$scratch/unit"
    [ "$(jq -r '.runs_as | type' "$2")" = object ] || : > "$scratch/declared"
    compare "$1" AmbientCapabilities "$scratch/declared" "$scratch/unit"
}

families_match() { # UNIT POLICY
    declared "$2" '.families[].what'
    grep -q '^RestrictAddressFamilies=' "$units/$1" || { echo "no RestrictAddressFamilies="; return 1; }
    words "$1" RestrictAddressFamilies | sed '/^none$/d' > "$scratch/unit"
    compare "$1" RestrictAddressFamilies "$scratch/declared" "$scratch/unit"
}

# Those that DevicePolicy=closed lets through aren't listed, see systemd.resource-control(5).
devices_match() { # UNIT POLICY
    declared "$2" '.devices[] | select(.what | test("^/dev/(full|null|ptmx|random|tty|urandom|zero)$") | not) |
        "\(.what) \({"read": "r", "write": "w", "read-write": "rw"}[.access])"'
    values "$1" DeviceAllow | sort -u > "$scratch/unit"
    [ "$(values "$1" DevicePolicy)" = closed ] || { echo "no DevicePolicy=closed"; return 1; }
    compare "$1" DeviceAllow "$scratch/declared" "$scratch/unit" || return 1
    case $(wc -l < "$scratch/unit")$(values "$1" PrivateDevices) in
        0yes | [1-9]*no) ;;
        *) echo "PrivateDevices= is 'yes' exactly where no device is declared"; return 1 ;;
    esac
}

# A path below another declared one says whose it is (to SELinux, which goes by types); to systemd it is open already.
writes_match() { # UNIT POLICY
    declared "$2" '[.writes[].what] as $all | $all[] | select(. as $path | all($all[]; . as $other | $path | startswith($other + "/") | not))'
    words "$1" ReadWritePaths | sed 's/^-//' | sort -u > "$scratch/unit"
    [ "$(values "$1" ProtectSystem)" = strict ] || { echo "no ProtectSystem=strict"; return 1; }
    compare "$1" ReadWritePaths "$scratch/declared" "$scratch/unit"
}

# No network but for who declares one: internet addresses, or the machine's own netlink (which provisioning's tools
# use for audit messages alone, in any network namespace).
network_matches() { # UNIT POLICY
    local private
    private=$(values "$1" PrivateNetwork)
    case $(jq -r '.program' "$2")$(jq -r '[.families[].what] | any(. == "AF_INET" or . == "AF_INET6")' "$2") in
        waagent-net*) [ "$private" = no ] ;;
        *true) [ "$private" = no ] || [ "$(values "$1" RestrictAddressFamilies)" = none ] ;;
        *) [ "$private" = yes ] ;;
    esac || { echo "PrivateNetwork=$private doesn't fit the declared families"; return 1; }
    grep -q '^IPAddressDeny=' "$units/$1" || { echo "no IPAddressDeny="; return 1; }
    [ "$(values "$1" IPAddressDeny)" = any ] || [ "$(jq -r '.connects | type' "$2")" = object ] ||
        { echo "IPAddressDeny= isn't 'any'"; return 1; }
}

# What a program needs to confine itself, and what it gives up by that.
entering="capset landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"

# The program's own filter is the exact list; the unit's is the wider one around it, which holds from the first
# instruction: so every declared call is in it, and every single call that the unit names is declared.
calls_match() { # UNIT POLICY
    local call
    jq -r '.syscalls[].calls[]' "$2" | sort -u > "$scratch/declared"
    allowed_calls "$1" > "$scratch/unit"
    {
        # Names that this systemd doesn't know aren't in any of its groups: newer calls, other processors'.
        systemd-analyze syscall-filter 2>/dev/null | grep -o '^ *[a-z_][a-z0-9_]*$' | tr -d ' ' | sort -u > "$scratch/known"
        comm -12 "$scratch/declared" "$scratch/known" | comm -23 - "$scratch/unit" |
            sed 's/^/the policy declares the call /; s/$/, the filter refuses it/'
        for call in $entering; do
            grep -qx "$call" "$scratch/unit" || echo "the filter refuses '$call', which the program enters its sandbox by"
        done
        values "$1" SystemCallFilter | sed '/^~/d' | tr ' ' '\n' | sed '/^@/d; /^$/d' | sort -u |
            comm -23 - "$scratch/declared" | grep -vxF "$(tr ' ' '\n' <<< "$entering")" |
            sed "s/^/the unit names the call '/; s/$/', the policy doesn't declare it/"
        true
    } | { ! grep .; }
}

# A grant too many in a unit, or one too few, is found: the twin of all comparisons.
difference_is_found() { # KEY=VALUE MATCHER
    local file real=$units
    file=$(policy waagent-gate) || return 1
    mkdir -p "$scratch/twins"
    sed "s|^${1%%=*}=.*|$1|" "$real/waagent-gate.service" > "$scratch/twins/waagent-gate.service"
    (
        # shellcheck disable=SC2030
        units=$scratch/twins
        ! "$2" waagent-gate.service "$file" >/dev/null
    )
}

our_units='[a-z@-]+\.service'
print_differences "$our_units"

for unit in $(unit_files service); do
    if reason=$(without_policy "$unit"); then
        echo "-       $unit has no declaration to compare with: $reason"
        continue
    fi
    program=$(program_of "$unit")
    if ! file=$(policy "$program"); then
        untested "$unit against its policy" "'$binaries/$program --policy' says nothing yet"
        continue
    fi
    check "$unit: User" user_matches "$unit" "$file"
    check "$unit: groups" groups_match "$unit" "$file"
    check "$unit: CapabilityBoundingSet, AmbientCapabilities" capabilities_match "$unit" "$file"
    check "$unit: RestrictAddressFamilies" families_match "$unit" "$file"
    check "$unit: DeviceAllow" devices_match "$unit" "$file"
    check "$unit: ReadWritePaths" writes_match "$unit" "$file"
    check "$unit: PrivateNetwork, IPAddressDeny" network_matches "$unit" "$file"
    check "$unit: SystemCallFilter" calls_match "$unit" "$file"
done
[ "$untested" != 0 ] || check "the table of differences has no line too many" table_has_no_surplus "$our_units"
if policy waagent-gate >/dev/null; then
    check "found: another user" difference_is_found User=waagent-fetch user_matches
    check "found: another group" difference_is_found Group=root groups_match
    check "found: a capability too many" difference_is_found CapabilityBoundingSet=CAP_NET_ADMIN capabilities_match
    check "found: an address family too many" difference_is_found "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX" families_match
    check "found: an address family too few" difference_is_found RestrictAddressFamilies=AF_INET families_match
    check "found: devices that nobody declared" difference_is_found PrivateDevices=no devices_match
    check "found: a writable path that nobody declared" difference_is_found ProtectSystem=full writes_match
    check "found: a network that is missing" difference_is_found PrivateNetwork=yes network_matches
    check "found: a filter without Landlock" difference_is_found SystemCallFilter=@system-service calls_match
fi
