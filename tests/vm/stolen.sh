# What the scenarios share in which a program of the agent is stolen. Sourced by them, after lib.sh.
# shellcheck shell=bash
: "${work:?}" "${vm:?}" "${binaries:?}"

# The job, with the hostile program, and with the honest one's sandbox as a program.
make_stolen_job() { # NAME
    local job=$work/$1/job
    make_job "$job" "$vm/jobs/$1"
    cp "$vm/jobs/stolen.sh" "$job"
    cp "$binaries/waagent-enter" "$job/enter"
    cc -static -O2 -Wall -Wextra -Werror -Wno-unused-result -o "$job/stolen" "$vm"/stolen/*.c
}

# The table for people, the checks for the count.
close_stolen() { # NAME
    local out=$work/$1/out table=$work/$1/table
    "$vm/acts" "$out/result/verdicts" "${1#stolen-}" >"$table" || echo "FAIL  the table is complete and as expected" >>"$table"
    sed '/^ok  \|^FAIL\|^      /d' "$table"
    sed -n '/^a stolen /,$p' "$out/result/log" | grep -vE '^(ok  |FAIL|      )' || :
    close "$1" "$out/result/log" "$table"
}
