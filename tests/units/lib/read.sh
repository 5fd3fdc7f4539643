# Reading unit files.
# shellcheck shell=bash disable=SC2034,SC2154

units=$repository/systemd

# All values of a key, in order, one a line. Continuation lines aren't used by our units.
values() { # UNIT KEY
    sed -n "s/^$2=//p" "$units/$1"
}

# The words of all values of a key, sorted.
words() { # UNIT KEY
    values "$1" "$2" | tr ' ' '\n' | sed '/^$/d' | sort -u
}

# Names of our unit files, of the kinds asked for.
unit_files() { # KIND...
    local kind
    for kind in "$@"; do
        (cd "$units" && ls -- *."$kind")
    done
}

# The program that a service executes.
program_of() { # UNIT
    values "$1" ExecStart | sed 's/ .*//; s|.*/||'
}

# The calls that a unit's filter lets through, sorted: lines add, lines with ~ take away.
allowed_calls() { # UNIT
    local line sign set
    : > "$scratch/allowed"
    while read -r line; do
        sign=+
        [ "${line#\~}" = "$line" ] || sign=-
        for set in ${line#\~}; do
            expand "$set"
        done | sort -u > "$scratch/set"
        if [ "$sign" = + ]; then
            sort -u "$scratch/allowed" "$scratch/set" > "$scratch/next"
        else
            comm -23 "$scratch/allowed" "$scratch/set" > "$scratch/next"
        fi
        mv "$scratch/next" "$scratch/allowed"
    done < <(values "$1" SystemCallFilter)
    # systemd allows these whatever the list says, see systemd.exec(5).
    sort -u "$scratch/allowed" <(expand @default) <(printf '%s\n' execve exit exit_group getrlimit rt_sigreturn sigreturn)
}

# A group of calls with all groups in it, or the call itself.
expand() { # SET
    case $1 in
        @*)
            local file=$scratch/group$1
            if [ ! -e "$file" ]; then
                local member
                systemd-analyze syscall-filter "$1" 2>/dev/null | sed '1d; s/^ *//; /^#/d; /^$/d' | while read -r member; do
                    expand "$member"
                done > "$file.new"
                mv "$file.new" "$file"
            fi
            cat "$file"
            ;;
        *) echo "$1" ;;
    esac
}
