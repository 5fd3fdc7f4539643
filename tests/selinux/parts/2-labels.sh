# Labels of what we own
# shellcheck shell=bash disable=SC2034,SC2154

root=$scratch/installed

install_everything() {
    mkdir "$scratch/programs"
    local program
    for program in $(sed -n '/^PROGRAMS/,/[^\\]$/ { s/PROGRAMS *=//; s/[\\]$//; p }' "$repository/Makefile") waagent; do
        cp /bin/true "$scratch/programs/$program"
    done
    printf '#!/bin/sh\n' > "$scratch/programs/waagent-man"
    chmod +x "$scratch/programs/waagent-man"
    make --no-print-directory -s -C "$repository" install INSTALL_ONLY=1 DESTDIR="$root" BINARIES="$scratch/programs"
}

# Paths of tmpfiles that are files or folders of their own.
made_by_tmpfiles() {
    awk '$1 ~ /^[df]$/ { print $1, $2 }' "$repository/systemd/waagent.tmpfiles.conf"
}

has_a_type_of_ours() { # [CLASS] < PATHS
    local path type
    while read -r path; do
        type=$(type_of "$path" "${1:-}")
        [[ $type == waagent_* ]] || echo "'$path' is $type"
    done | { ! grep .; }
}

tmpfiles_are_ours() { # LETTER CLASS
    made_by_tmpfiles | sed -n "s/^$1 //p" | has_a_type_of_ours "$2"
}

# Names that lead elsewhere are the agent's own; the process number's is PID 1's folder's.
links_are_ours() {
    awk '$1 == "L" && $2 != "/run/waagent.pid" { print $2 }' "$repository/systemd/waagent.tmpfiles.conf" | has_a_type_of_ours symlink
}

# What programs declare below our folders; the rest is the distribution's.
declared_folders_are_ours() {
    local program
    for program in "${programs[@]}"; do
        what "$program" writes
        what "$program" reads
    done | grep -E '^(/var/lib/waagent|/run/waagent|/var/log/(waagent|azure)|/etc/waagent)' | sort -u | has_a_type_of_ours
}

# One binary, one domain; who starts the others keeps his own.
programs_have_their_types() {
    local program type
    for program in "$root"/usr/libexec/waagent/* "$root"/usr/sbin/*; do
        program=${program#"$root"}
        type=$(type_of "$program" file)
        case ${program##*/} in
        waagent | waagent-supervise) [ "$type" = bin_t ] ;;
        *) [ "$type" = "$(tr - _ <<< "${program##*/}")_exec_t" ] ;;
        esac || echo "'$program' is $type"
    done | { ! grep .; }
}

units_have_their_types() {
    local unit type
    (cd "$root" && find usr/lib/systemd/system -type f) | while read -r unit; do
        type=$(type_of "/$unit" file)
        case $unit in
        */waagent-ext-run@.service) [ "$type" = waagent_ext_run_unit_t ] ;;
        *) [[ $type == *_unit_t ]] ;;
        esac || echo "'/$unit' is $type"
    done | { ! grep .; }
}

configuration_is_ours() {
    (cd "$root" && find etc -name 'waagent*' | sed 's|^|/|') | has_a_type_of_ours
}

# Made in a folder, a file has the folder's type; made by tmpfiles or a package, the type of its path. What has another
# type than its folder by its path alone would be relabelled by restorecon: the table says who gives it that type.
nothing_waits_for_restorecon() {
    local place type parent
    our_places | while read -r place type; do
        made_by_tmpfiles | cut -d' ' -f2 | grep -qxF "$place" && continue
        [ -e "$root$place" ] && continue
        parent=$(type_of "$(dirname "$place")" dir)
        [ "$type" = "$parent" ] || echo "$type"
    done | sort -u > "$scratch/granted"
    : > "$scratch/declared"
    compare waagent.fc labels "$scratch/declared" "$scratch/granted"
}

# All that we own, with documents, keys, a handler's folder and a command's log. On a file system of its own: an overlay
# shows files as if they were on another device than their folders, and setfiles leaves those out.
make_a_machine() { # FOLDER
    local letter path lib=$1/var/lib/waagent
    mkdir "$1"
    mount -t tmpfs tmpfs "$1" || return 1
    cp -a "$root/." "$1/"
    made_by_tmpfiles | while read -r letter path; do
        if [ "$letter" = d ]; then mkdir -p "$1$path"; else mkdir -p "$1${path%/*}" && : > "$1$path"; fi
    done
    awk '$1 == "L" { print $2, $NF }' "$repository/systemd/waagent.tmpfiles.conf" | while read -r path letter; do
        ln -s "$letter" "$1$path"
    done
    mkdir -p "$lib/Contoso.Monitor-1.2.3.4/bin" "$lib/.Contoso.Monitor-1.2.3.4.trash-1" "$1/var/log/azure/Contoso.Monitor"
    for path in certs/TransportPrivate.pem certs/{0..9}ABCDEF.prv certs/0ABCDEF.crt certs/certificates.json \
        fetch/goal-state.json fetch/packages/a.zip fetch/private/u.json ext/commands/1.json ext/results/1.out CustomData \
        provisioned ovf-env.xml Contoso.Monitor-1.2.3.4/bin/run; do
        : > "$lib/$path"
    done
}

# Labelled once, setfiles finds nothing to do, and every file has the type that its path has.
labels_are_stable() {
    local contexts=/etc/selinux/default/contexts/files/file_contexts path type
    make_a_machine "$view/root/machine" || return 1
    inside setfiles -F -r /machine "$contexts" /machine >/dev/null 2>&1 || { echo "setfiles failed"; return 1; }
    inside setfiles -F -n -v -r /machine "$contexts" /machine 2>&1 | { ! grep .; } || return 1
    # The link to the process number has no type by its path, and keeps the one of /run.
    inside find /machine -path '*aagent*' ! -path /machine/run/waagent.pid | sort > "$scratch/machine"
    [ "$(wc -l < "$scratch/machine")" -gt 80 ] || { echo "only these were made:"; cat "$scratch/machine"; return 1; }
    while read -r path; do
        type=$(inside stat -c %C "$path" | cut -d: -f3)
        [[ $type == *_t && $type != unlabeled_t ]] || echo "'$path' has no type: $type"
    done < "$scratch/machine" | { ! grep .; }
}

is_labelled() { # PATH TYPE
    [ "$(type_of "$1" file)" = "$2" ] || echo "'$1' is $(type_of "$1" file)"
}

keys_have_their_types() {
    local certs=/var/lib/waagent/certs
    {
        is_labelled $certs/TransportPrivate.pem waagent_transport_key_t
        is_labelled $certs/TransportPrivate.next.pem waagent_transport_key_t
        is_labelled $certs/0123456789ABCDEF.prv waagent_key_t
        is_labelled $certs/0123456789ABCDEF.crt waagent_certs_var_lib_t
    } | { ! grep .; }
}

check "make install into a scratch root" install_everything
check "every folder of tmpfiles.d has a type of ours" tmpfiles_are_ours d dir
check "every file of tmpfiles.d has a type of ours" tmpfiles_are_ours f file
check "every link of tmpfiles.d has a type of ours" links_are_ours
check "every declared path below our folders has a type of ours" declared_folders_are_ours
check "each program has the entry type of its domain" programs_have_their_types
check "each unit has a unit's type, and the runner's one of its own" units_have_their_types
check "the configuration has a type of ours" configuration_is_ours
check "keys have types of their own" keys_have_their_types
check "what has another type than its folder gets it when it is made" nothing_waits_for_restorecon
check "labelled once, setfiles finds nothing to do" labels_are_stable
check "... and the table of those has no line too many" table_has_no_surplus 'waagent\.fc'
