# Who gets in, who reaches ours, and what no domain may
# shellcheck shell=bash disable=SC2034,SC2154

runner=waagent_ext_run_t
confined=waagent_ext_confined_t

# `source target class permission` of all rules, also conditional ones; the probe's own types and the runner aside.
rules() {
    grep -vE '^[^ ]+ waagent_(bare|common|any)_|^waagent_(bare|common|ext_run)_t ' "$scratch/rules"
}

# Lines of two lists that differ, as a failure.
same() { # EXPECTED-LINES ACTUAL-LINES
    diff <(sort -u <<< "$1" | sed '/^$/d') <(sort -u <<< "$2" | sed '/^$/d') | sed -n 's/^</missing:/p; s/^>/too much:/p' | { ! grep .; }
}

all_domains() {
    printf '%s\n' "${domains[@]}" "$runner" "$confined"
}

# By the program's own file, and nothing else.
entered_by_its_program_alone() { # DOMAIN
    same "$1 ${1%_t}_exec_t file entrypoint" "$(grep "^$1 .* entrypoint" "$scratch/rules")"
}

# From PID 1, and the distribution's domain of init scripts, which its interface names as well.
entered_from_init_alone() { # DOMAIN
    same "init_t initrc_t" "$(rules | awk -v d="$1" '$2 == d && ($4 == "transition" || $4 == "dyntransition") { print $1 }' | paste -sd' ')"
}

pid1_enters_by_the_program() { # DOMAIN
    grep -qx "type_transition init_t ${1%_t}_exec_t:process $1;" "$scratch/transitions"
}

# Where systemd gives no new privileges before it executes us, a domain isn't entered without this right.
pid1_enters_under_no_new_privileges() { # DOMAIN
    inside sesearch /tmp/policy -A -s init_t -t "$1" -c process2 -p nnp_transition | grep -q nnp_transition
}

confined_is_entered_from_the_runner_alone() {
    same "$runner" "$(awk -v d=$confined '$2 == d && ($4 == "transition" || $4 == "dyntransition") { print $1 }' "$scratch/rules")"
}

attribute_members() { # ATTRIBUTE
    awk -v a="$1" '{ gsub(/;/, "") } $1 == "attribute" { at = $2; next } at == a && NF == 1 { print $1 }' "$scratch/attributes"
}

only_the_runner_is_unconfined() {
    same "$runner" "$(attribute_members unconfined_domain_type | grep '^waagent_')"
}

# Off, what the runner executes for others leaves its domain, by these three doors and only then.
boolean_leads_to_the_confined_domain() {
    inside seinfo /tmp/policy -b waagent_extensions_unconfined -x | grep -q 'bool waagent_extensions_unconfined true' || echo "not on by itself"
    same "$(printf 'type_transition %s %s:process %s; [ waagent_extensions_unconfined ]:False\n' \
        $runner waagent_customdata_exec_t $confined $runner waagent_ext_lib_t $confined $runner shell_exec_t $confined)" \
        "$(grep ":process $confined;" "$scratch/transitions")"
}

# The boolean adds ports that no service owns: not the platform's.
boolean_opens_no_port_of_the_platform() {
    inside seinfo /tmp/policy -b waagent_fetch_connect_any_port -x | grep -q 'bool waagent_fetch_connect_any_port false' || { echo "not off by itself"; return 1; }
    ! rules | grep -E '^waagent_fetch_t (waagent_hostga_port_t|port_type) '
}

# The host plug-in's port has its own type, for the gate alone.
only_the_gate_reaches_the_plugin() {
    same "$(printf 'waagent_gate_t\n')" "$(rules | awk '$2 == "waagent_hostga_port_t" && $4 == "name_connect" { print $1 }')" || return 1
    ! rules | grep -E ' waagent_hostga_port_t .* name_bind'
}

no_domain_binds_a_port() {
    ! rules | grep -E '^waagent_[a-z]+_t .* name_bind'
}

# Rights that would undo the others. Domains of ours, but the runner.
undoing() {
    sed '/^$/d' <<'TABLE'
load a policy|security|load_policy
switch SELinux off|security|setenforce|setsecparam
change a boolean|security|setbool
load a module of the kernel|system|module_load
trace a process|process|ptrace
change its own domain|process|setcurrent|dyntransition|setexec
run code that it wrote|process|execmem|execstack|execheap
run a file that it changed|file|execmod
keep a second set of rights|cap_userns|.*
override the policy|capability2|mac_admin|mac_override
reboot, halt or reload|system|halt|reboot|reload|start|stop|enable|disable
TABLE
}

# What every daemon of the distribution has isn't ours to take away.
nobody_may() { # CLASS PERMISSIONS
    ! rules | grep -E "^waagent_[a-z_]+_t [a-z_A-Z0-9]+ $1 ($2)( |\$)" |
        grep -vE "^[^ ]+ ($(sed -nE "s/^([^ ]+ $1 ($2))\$/\1/p" "$scratch/waagent_bare_t.all" | paste -sd'|'))\$"
}

# start, stop, status of units: the planner's right, on the runner's unit.
units_are_the_planners() {
    same "$(printf 'waagent_ext_t waagent_ext_run_unit_t service %s\n' start status stop)" \
        "$(rules | grep -E "^waagent_[a-z_]+_t [^ ]+ service ")"
}

# Secrets of others: shadow, host keys, anybody's keys. Who reads one has it in his line of the table.
secrets='shadow_t gshadow_t sshd_key_t tls_privkey_t krb5_keytab_t gpg_secret_t ssh_home_t selinux_config_t semanage_store_t'
secrets_are_closed() {
    same "waagent_provision_t ssh_home_t
waagent_provision_t sshd_key_t" "$(rules | awk -v secrets=" $secrets " '$1 ~ /^waagent_/ && $3 == "file" && $4 == "read" && index(secrets, " " $2 " ") { print $1, $2 }')"
}

our_keys_are_closed() { # TYPE READERS...
    local type=$1
    shift
    same "$(printf '%s\n' "$@")" "$(rules | awk -v t="$type" '$1 ~ /^waagent_/ && $2 == t && $3 == "file" && $4 ~ /^(read|write|append)$/ { print $1 }')"
}

# What others may do with our types, beyond those that may do it with any file: the module gave it to them.
others_reach() { # READS|WRITES
    local permissions='file read'
    [ "$1" = READS ] || permissions='(dir|file|lnk_file) (add_name|append|create|relabelto|remove_name|rename|unlink|write)'
    # Left out: what is executed, configuration and logs, which the distribution lets many read and modes close; and
    # domains, whose files are those in /proc.
    rules | grep -E "^[^ ]+ waagent_[a-z_]+ $permissions( |\$)" |
        grep -vE '^waagent_|^[^ ]+ waagent_([a-z_]+_exec|etc|ext_lib|log|ext_log)_t file read' |
        grep -vE "^[^ ]+ ($(all_domains | paste -sd'|')) " |
        awk '{ print $1 (NF > 4 ? " if " $5 : "") }' | sort -u > "$scratch/all"
    grep -E "^[^ ]+ waagent_any_file_t $permissions( |\$)" "$scratch/rules" |
        awk '{ print $1 (NF > 4 ? " if " $5 : "") }' | sort -u | comm -23 "$scratch/all" - > "$scratch/granted"
    : > "$scratch/declared"
    compare others "$1" "$scratch/declared" "$scratch/granted"
}

any_file_is_theirs() {
    echo "Who may write any file, so ours too: $(grep -E '^[^ ]+ waagent_any_file_t file write' "$scratch/rules" | cut -d' ' -f1 | sort -u | paste -sd' ')"
}

for domain in "${domains[@]}" "$runner"; do
    check "$domain is entered by its program alone" entered_by_its_program_alone "$domain"
    check "$domain is entered from PID 1 alone" entered_from_init_alone "$domain"
    check "$domain: PID 1 enters it by the program" pid1_enters_by_the_program "$domain"
    check "$domain: ... also under NoNewPrivileges=" pid1_enters_under_no_new_privileges "$domain"
done
check "$confined is entered from the runner alone" confined_is_entered_from_the_runner_alone
check "only $runner is unconfined" only_the_runner_is_unconfined
check "the boolean sends commands of extensions into $confined" boolean_leads_to_the_confined_domain
check "the fetcher's boolean opens no port of the platform" boolean_opens_no_port_of_the_platform
check "only the gate connects to the host plug-in's port" only_the_gate_reaches_the_plugin
check "no domain of ours binds a port" no_domain_binds_a_port
while IFS='|' read -r act class permissions; do
    check "no domain of ours may $act" nobody_may "$class" "$permissions"
done < <(undoing)
check "only the planner starts units, and only the runner's" units_are_the_planners
check "secrets of the machine are closed, but to who declares them" secrets_are_closed
check "the transport key is waagent-certs' alone" our_keys_are_closed waagent_transport_key_t waagent_certs_t
check "keys of certificates are read by who declares them, and handlers" \
    our_keys_are_closed waagent_key_t waagent_certs_t waagent_provision_t "$confined"
check "who else writes what is ours" others_reach WRITES
check "who else reads what is ours" others_reach READS
any_file_is_theirs
[ "$untested" != 0 ] || check "the table of differences has no line too many" table_has_no_surplus 'waagent_[a-z_]+|others'
