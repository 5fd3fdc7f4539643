# What a program declares and what its domain grants, as words of the same kind: two functions for each kind.
# shellcheck shell=bash disable=SC2034,SC2154

kinds="capabilities families connects writes reads devices executes relabels uses"

what() { # PROGRAM KEY
    local file=$scratch/$1.$2
    [ -e "$file" ] || jq -r ".$2[].what" "$(policy "$1")" > "$file"
    cat "$file"
}

# Rules of a domain that hold whatever the booleans are.
always() { # RULES
    awk 'NF == 3' "$1"
}

# What has no label of its own has its folder's.
types_of() { # [CLASS] < PATHS
    local path type
    while read -r path; do
        type=$(type_of "$path" "${1:-}")
        while [ "$type" = '<<none>>' ]; do
            path=$(dirname "$path")
            type=$(type_of "$path" dir)
        done
        echo "$type"
    done
}

declared_capabilities() { what "$1" capabilities; }
granted_capabilities() { # RULES
    always "$1" | awk '$2 ~ /^cap/ { print "CAP_" toupper($3) }'
}

# A family is a class of sockets or more; IPv4 and IPv6 are one to SELinux.
declared_families() { what "$1" families | sed 's/^AF_INET6$/AF_INET/'; }
granted_families() { # RULES
    always "$1" | awk '$1 == "self" && $2 ~ /_socket$/ && $3 == "create" {
        if ($2 ~ /^(tcp|udp|rawip|icmp|sctp|dccp|mptcp)_/) print "AF_INET"
        else if ($2 ~ /^unix_/) print "AF_UNIX"
        else if ($2 ~ /^netlink_/) print "AF_NETLINK"
        else print "AF_" toupper(substr($2, 1, length($2) - 7))
    }'
}

# The type of a port is the one of the smallest range that has it.
declared_connects() {
    local port
    jq -r '.connects | if type != "object" then empty elif has("ports") then .ports[][0] else "any" end' "$(policy "$1")" |
        while read -r port; do
            [ "$port" != any ] || { echo any; continue; }
            inside seinfo /tmp/policy --portcon "$port" | awk '$1 == "portcon" && $2 == "tcp" {
                    n = split($3, range, "-"); width = n > 1 ? range[2] - range[1] : 0
                    if (type == "" || width < least) { least = width; split($NF, context, ":"); type = context[3] }
                } END { print type }'
        done
}
granted_connects() { # RULES
    always "$1" | awk '$3 == "name_connect" || $3 == "name_bind" { print ($3 == "name_bind" ? "bind " : "") $1 }'
}

# Our own types and their places, as far as those are literal.
our_places() {
    sed -n 's/^\(\/[^[:space:]]*\).*object_r:\([a-z_]*\),.*/\1 \2/p' "$module/waagent.fc" |
        sed -E 's/\\\././g; s/[([][^ ]*//; s/\.\*[^ ]*//' | sort -u
}

# Who may write where, by program.
writers() {
    local program
    for program in "${programs[@]}"; do
        what "$program" writes | sed "s/^/$program /"
    done
}

# A type of ours belongs to who declares its place most closely.
owned_types() { # PROGRAM
    awk -v me="$1" 'FNR == NR { writes[NR] = $2; writer[NR] = $1; n = NR; next }
        {
            best = 0
            for (i = 1; i <= n; i++)
                if (index($1 "/", writes[i] "/") == 1 && length(writes[i]) > best) best = length(writes[i])
            for (i = 1; i <= n; i++)
                if (best && writer[i] == me && length(writes[i]) == best && index($1 "/", writes[i] "/") == 1) print $2
        }' <(writers) <(our_places)
}

declared_writes() {
    what "$1" writes | types_of
    owned_types "$1"
}
changing='^(add_name|append|create|link|remove_name|rename|reparent|rmdir|setattr|unlink|write)$'
granted_writes() { # RULES
    always "$1" | awk -v changing="$changing" '$1 != "self" && $2 ~ /^(dir|file|lnk_file)$/ && $3 ~ changing { print $1 }'
}

# What is written is read as well, and not said twice.
declared_reads() { what "$1" reads | types_of | grep -vxF -f <(declared_writes "$1"; echo none); }
granted_reads() { # RULES
    always "$1" | awk '$1 !~ /^self/ && $2 ~ /^(dir|file)$/ && $3 == "read" { print $1 }' |
        grep -vxF -f <(granted_writes "$1"; granted_executes "$1" | sed 's/>.*//'; echo none)
}

# A class of disks by its first one.
declared_devices() {
    what "$1" devices | sed 's|^block-sd$|/dev/sda|; s|^block-sr$|/dev/sr0|' | while read -r path; do
        case $path in
        /dev/sd* | /dev/sr*) echo "$path" | types_of block ;;
        *) echo "$path" | types_of char ;;
        esac
    done
}
granted_devices() { # RULES
    always "$1" | awk '$2 ~ /^(blk|chr)_file$/ && $3 ~ /^(append|create|open|read|write)$/ { print $1 }'
}

# A tool runs in the domain that the distribution has for it; where there is none, in its caller's.
declared_executes() {
    what "$1" executes | types_of file | sort -u | while read -r type; do
        awk -v type="$type" '$1 == "type_transition" && $2 !~ /^waagent/ && $3 == type ":process" { sub(/;.*/, "", $4); count[$4]++ }
            END {
                best = "self"
                if (type !~ /^(bin|shell_exec|lib)_t$/) for (d in count) if (count[d] > count[best]) best = d
                print type ">" best
            }' "$scratch/transitions"
    done
}
granted_executes() { # RULES
    local domain=${1##*/}
    domain=${domain%.*}
    always "$1" | awk '$2 == "file" && $3 == "execute_no_trans" { print $1 ">self" }'
    # A transition takes a rule that names it, and the right to it, also for who has given up new privileges.
    awk -v domain="$domain" '$2 == domain && $0 !~ /\[/ { sub(/;.*/, "", $4); sub(/:process/, "", $3); print $3, $4 }' "$scratch/transitions" |
        while read -r type target; do
            grep -qxF "$target process transition" "$1" && grep -qxF "$target process2 nnp_transition" "$1" &&
                grep -qxF "$type file execute" "$1" && echo "$type>$target"
        done
}

# Nobody declares these two kinds: each line is one of the table, with its reason.
declared_relabels() { :; }
granted_relabels() { # RULES
    always "$1" | awk '$3 ~ /^relabel/ { print substr($3, 8) " " $1 }'
}

# What isn't a file, a socket of its own, or said above: other processes, the kernel, the service manager.
declared_uses() { :; }
granted_uses() { # RULES
    always "$1" | awk '
        $2 ~ /^(dir|file|lnk_file|blk_file|chr_file|fifo_file|filesystem)$/ || $2 ~ /^cap/ { next }
        $1 == "self" && ($2 ~ /_socket$/ || $2 == "process") { if ($3 !~ /^(exec|ptrace|dyn|set(exec|current|.*create))/) next }
        $3 == "name_connect" || $3 == "name_bind" || $3 ~ /^(nnp_)?transition$/ { next }
        # Labels of packets and interfaces: they open nothing without the right to a port.
        $2 ~ /^(association|netif|node|packet|peer)$/ || $1 == "netlabel_peer_t" { next }
        $2 ~ /^(security|service|system)$/ { print $3 " " $1 ":" $2; next }
        { print $1 ":" $2 }'
}
