# Exposure, as systemd-analyze security counts it
# shellcheck shell=bash disable=SC2034,SC2154

# The largest exposure that a unit may have, in tenths.
limit_of() { # UNIT
    case $1 in
        waagent-gate.service) echo 16 ;;
        waagent-net.service | waagent-firewall.service) echo 20 ;;
        waagent-certs.service | waagent-fetch.service | waagent-failed@.service | waagent-media.service) echo 14 ;;
        *) echo 26 ;;
    esac
}

exposure() { # FILE
    systemd-analyze security --offline=true --no-pager "$1" 2>&1 | sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'
}

is_exposed_at_most() { # UNIT TENTHS
    systemd-analyze security --offline=true --no-pager --threshold="$2" "$units/$1" > "$scratch/security" 2>&1 ||
        { grep -E '✗|Overall' "$scratch/security"; return 1; }
}

is_exposed_more() { # FILE TENTHS
    ! systemd-analyze security --offline=true --no-pager --threshold="$2" "$1" >/dev/null 2>&1
}

# Says on purpose that it has none: a relaxation that nobody wrote down isn't one.
is_unconfined_and_says_so() { # UNIT
    local confined='^(Ambient|AppArmor|Capability|Device|Dynamic|ExecPaths|IPAddress|Keyring|Lock|Memory|NoExec|NoNew|Private|Proc|Protect|ReadOnly|ReadWrite|Inaccessible|Restrict|SELinux|SecureBits|System|User)[A-Za-z]*='
    ! grep -E "$confined" "$units/$1" || { echo "handlers would inherit these lines"; return 1; }
    grep -q '^# No line of confinement, on purpose' "$units/$1"
}

# Every line of the baseline, or the relaxation that the table names instead; a limit of memory and of tasks.
has_the_baseline() { # FILE UNIT
    local line key has
    baseline | while read -r line; do
        key=${line%%=*}
        has=$(grep -E "^$key=" "$1" | tail -1)
        [ "$has" = "$line" ] || relaxations | grep -qF "$2|$has|" || echo "$line is missing, it says '$has'"
        [ "$has" != "$line" ] || ! relaxations | grep -qF "$2|$key=" || echo "not relaxed any more: $key"
    done > "$scratch/baseline"
    for key in CapabilityBoundingSet MemoryMax TasksMax RestrictAddressFamilies SystemCallFilter; do
        grep -q "^$key=" "$1" || echo "$key= is missing"
    done >> "$scratch/baseline"
    if grep -qE '^User=waagent-' "$1"; then
        grep -qx 'RemoveIPC=yes' "$1" || echo "RemoveIPC=yes is missing"
    fi >> "$scratch/baseline"
    cat "$scratch/baseline"
    [ ! -s "$scratch/baseline" ]
}

# The reason stands above what is looser than its neighbours.
says_why_it_is_looser() { # UNIT
    local line
    relaxations | sed -n "s/^$1|\([^|]*\)|.*/\1/p" | while read -r line; do
        grep -B1 -xF "$line" "$units/$1" | grep '^#' >/dev/null || echo "no comment above $line"
    done | { ! grep .; }
}

# How it runs; blank line; confinement, sorted. [Unit] in the order of the list.
is_in_order() { # UNIT
    local order="Description Documentation DefaultDependencies ConditionPathExists Conflicts RequiresMountsFor Requires \
        Wants After Before PartOf OnFailure CollectMode JobRunningTimeoutSec StartLimitBurst \
        StartLimitIntervalSec" key at=0 position
    # shellcheck disable=SC2013 # keys are words
    for key in $(sed -n '/^\[Unit\]/,/^$/s/^\([A-Za-z]*\)=.*/\1/p' "$units/$1"); do
        # shellcheck disable=SC2086
        position=$(printf '%s\n' $order | grep -nxF "$key" | cut -d: -f1)
        [ "${position:-0}" -ge "$at" ] || { echo "[Unit]: $key= isn't in its place"; return 1; }
        at=$position
    done
    sed -n '/^\[Service\]/,/^\[Install\]/p' "$units/$1" | sed '1,/^$/d; /^$/,$d' | sed -n 's/^\([A-Za-z]*\)=.*/\1/p' |
        LC_ALL=C sort -c
}

# Taken out one by one, every line of the baseline is missed.
no_line_is_idle() { # UNIT
    local line
    baseline | while read -r line; do
        grep -vxF "$line" "$units/$1" > "$scratch/without"
        cmp -s "$scratch/without" "$units/$1" || ! has_the_baseline "$scratch/without" "$1" >/dev/null ||
            echo "without $line nothing is said"
    done | { ! grep .; }
}

echo "Looser than the others:"
relaxations | while IFS='|' read -r unit line reason; do printf '    %s %s: %s\n' "$unit" "$line" "$reason"; done

for unit in $(unit_files service); do
    check "$unit: in the order of the house" is_in_order "$unit"
    case $unit in
        waagent-ext-run@.service | waagent-customdata.service)
            check "$unit is exempt, unconfined and says so" is_unconfined_and_says_so "$unit" ;;
        *)
            limit=$(limit_of "$unit")
            check "$unit is exposed $(exposure "$units/$unit" | sed 's/.$/.&/'), at most ${limit%?}.${limit#?}" \
                is_exposed_at_most "$unit" "$limit"
            check "$unit: says all of the baseline" has_the_baseline "$units/$unit" "$unit"
            check "$unit: says why it is looser" says_why_it_is_looser "$unit"
            ;;
    esac
done
sed '/^PrivateMounts=/d; /^ProtectSystem=/d' "$units/waagent-fetch.service" > "$scratch/twin.service"
check "a unit without PrivateMounts= and ProtectSystem= is over its limit" is_exposed_more "$scratch/twin.service" 14
check "a line of the baseline that is taken out is missed" no_line_is_idle waagent-certs.service
