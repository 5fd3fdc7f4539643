# A grant too many, or one too few, is found: the twin of all comparisons
# shellcheck shell=bash disable=SC2034,SC2154

# `found KIND PROGRAM +RULE` adds a rule to the program's domain, `-PATTERN` takes rules away.
found() { # KIND PROGRAM CHANGE
    local domain=${2//-/_}_t twins=$scratch/twins list
    rm -rf "$twins"
    mkdir "$twins"
    cp "$scratch/$domain.own" "$scratch/$domain.all" "$twins/"
    for list in "$twins"/*; do
        case $3 in
        +*) echo "${3#+}" >> "$list" && sort -u -o "$list" "$list" ;;
        -*) sed -i -E "/${3#-}/d" "$list" ;;
        esac
    done
    ! (
        # What a program declares doesn't change; what its domain has is the twin's.
        granted() { { "granted_$1" "$twins/$2.own"; "granted_$1" "$twins/$2.all" | sort -u | comm -12 - "$3"; } | sort -u; }
        matches "$1" "$2" "$domain" >/dev/null
    )
}

check "found: a capability too many" found capabilities waagent-fetch "+self capability dac_override"
check "found: a capability too few" found capabilities waagent-net "- capability net_admin$"
check "found: packet sockets that nobody declared" found families waagent-net "+self packet_socket create"
check "found: a family that is missing" found families waagent-net "-^self netlink_.*create$"
check "found: a port too many" found connects waagent-gate "+smtp_port_t tcp_socket name_connect"
check "found: the platform's port for the fetcher" found connects waagent-fetch "+waagent_hostga_port_t tcp_socket name_connect"
check "found: a port that is bound" found connects waagent-fetch "+http_port_t tcp_socket name_bind"
check "found: a port too few" found connects waagent-gate "-^waagent_hostga_port_t "
check "found: another program's folder to write" found writes waagent-fetch "+waagent_certs_var_lib_t file write"
check "found: an own folder that can't be written" found writes waagent-certs "-^waagent_certs_var_lib_t "
check "found: the machine's configuration to write" found writes waagent-net "+etc_t file append"
check "found: shadow to read" found reads waagent-certs "+shadow_t file read"
check "found: a key to read" found reads waagent-fetch "+waagent_key_t file read"
check "found: a declared folder that can't be read" found reads waagent-fetch "-^waagent_ext_var_lib_t "
check "found: a raw disk to read" found devices waagent-media "+fixed_disk_device_t blk_file read"
check "found: a drive that can't be read" found devices waagent-media "-^removable_device_t "
check "found: a shell to execute" found executes waagent-fetch "+shell_exec_t file execute_no_trans"
check "found: a transition that is missing" found executes waagent-provision "-^useradd_t process transition"
check "found: a transition that new privileges forbid" found executes waagent-provision "-^useradd_t process2"
check "found: a label to give" found relabels waagent-ext "+waagent_key_t file relabelto"
check "found: another unit to start" found uses waagent-ext "+sshd_unit_t service start"
check "found: a module to load" found uses waagent-disk "+kernel_t system module_load"
check "found: another's process to trace" found uses waagent-ext "+sshd_t process ptrace"
