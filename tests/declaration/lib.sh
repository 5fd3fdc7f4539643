# One declaration, several layers: named checks, the programs' policies, and the table of differences that must be.
# Sourced with $repository, $binaries and $scratch set.
# shellcheck shell=bash disable=SC2034,SC2154

passed=0
failed=0
untested=0
: > "$scratch/used"

check() { # NAME COMMAND... : the command's output is the reason of a failure
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        printf '%s\n' "$output" | sed 's/^/          /'
    fi
}

untested() { # NAME WHY
    untested=$((untested + 1))
    echo "NOT TESTED  $1: $2"
}

finish() { # NAME : the closing line, and the exit status
    [ "$untested" = 0 ] || echo "$1: $untested not tested, see above"
    echo "$1: $passed passed, $failed failed"
    [ "$failed" = 0 ]
}

# What a program declares, as a file; nothing and a failure where it can't say yet.
policy() { # PROGRAM
    local file=$scratch/$1.policy
    if [ ! -e "$file" ]; then
        "$binaries/$1" --policy > "$file" 2>/dev/null || : > "$file"
    fi
    [ -s "$file" ] && jq -e 'has("program")' "$file" >/dev/null 2>&1 && echo "$file"
}

# Rows of a table, of the subjects that match.
differences() { # PATTERN-OF-SUBJECTS
    grep -E "^($1)\|" "$repository/tests/declaration/differences"
}

relaxations() {
    sed '/^#/d; /^$/d' "$repository/tests/declaration/relaxations"
}

print_differences() { # PATTERN-OF-SUBJECTS
    echo "Differences that must be:"
    differences "$1" | while IFS='|' read -r subject key difference reason; do
        printf '    %s %s %s: %s\n' "$subject" "$key" "$difference" "$reason"
    done
}

# Differences of two sorted lists that no line of the table explains.
compare() { # SUBJECT KEY DECLARED-FILE GRANTED-FILE
    local difference
    {
        comm -13 "$3" "$4" | sed 's/^/+/'
        comm -23 "$3" "$4" | sed 's/^/-/'
    } | while read -r difference; do
        if differences '.*' | grep -F "$1|$2|$difference|" > /dev/null; then
            echo "$1|$2|$difference" >> "$scratch/used"
        elif [ "${difference#+}" != "$difference" ]; then
            echo "$2: $1 grants '${difference#+}', the policy doesn't declare it"
        else
            echo "$2: the policy declares '${difference#-}', $1 doesn't grant it"
        fi
    done | { ! grep .; }
}

# Lines of the table that nothing used; a program that can't say its policy uses none.
table_has_no_surplus() { # PATTERN-OF-SUBJECTS
    differences "$1" | cut -d'|' -f1-3 | sort | comm -23 - <(sort -u "$scratch/used") |
        sed 's/^/not needed any more: /' | { ! grep .; }
}
