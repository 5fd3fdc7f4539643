# Named checks, counted. Sourced.
# shellcheck shell=bash

passed=0
failed=0
untested=0

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
