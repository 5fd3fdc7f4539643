# One declaration: each domain and its program's policy, both ways
# shellcheck shell=bash disable=SC2034,SC2154

# What the domain has beyond every daemon and beyond what all ours share; and of what is declared also what those have.
granted() { # KIND DOMAIN DECLARED-FILE
    {
        "granted_$1" "$scratch/$2.own"
        "granted_$1" "$scratch/$2.all" | sort -u | comm -12 - "$3"
    } | sort -u
}

matches() { # KIND PROGRAM DOMAIN
    "declared_$1" "$2" | sort -u > "$scratch/declared"
    granted "$1" "$3" "$scratch/declared" > "$scratch/granted"
    compare "$3" "$1" "$scratch/declared" "$scratch/granted"
}

# What all programs read, inside the sandbox and before.
common_reads() {
    awk '/const (COMMON_READS|READ_BEFORE)/ { inside = 1 } inside { print } /;$/ { inside = 0 }' \
        "$repository/waagent-common/src/sandbox/"{landlock,mod}.rs | grep -o '"[^"]*"' | tr -d '"'
}

common_matches() {
    common_reads | grep -v '^/dev/' | types_of | sort -u > "$scratch/declared"
    granted reads waagent_common_t "$scratch/declared" > "$scratch/granted"
    compare waagent_domain reads "$scratch/declared" "$scratch/granted" || return 1
    : > "$scratch/declared"
    local kind
    for kind in capabilities families connects writes devices executes relabels uses; do
        "granted_$kind" "$scratch/waagent_common_t.own" | sort -u > "$scratch/granted"
        compare waagent_domain "$kind" "$scratch/declared" "$scratch/granted" || return 1
    done
}

export LC_ALL=C
our_domains='waagent_[a-z_]+|waagent\.fc|others'
print_differences "$our_domains"

for program in "${programs[@]}"; do
    domain=${program//-/_}_t
    if ! policy "$program" >/dev/null; then
        untested "$domain against its program's policy" "'$binaries/$program --policy' says nothing yet"
        continue
    fi
    check "$domain: the domain is the one that the policy names" \
        test "$(jq -r .selinux "$(policy "$program")")" = "$domain"
    for kind in $kinds; do
        check "$domain: $kind" matches "$kind" "$program" "$domain"
    done
done
check "what all our domains share is what all programs declare" common_matches
