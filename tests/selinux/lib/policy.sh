# The module, compiled and linked with the guest's policy, as lists of rules.
# shellcheck shell=bash disable=SC2034,SC2154

headers=$base/policy-dev/usr/share/selinux
view=$scratch/view

# The guest's base with its own policy tools, writable for a while: the mounts go with this namespace.
make_view() {
    mkdir "$view"
    mount -t tmpfs tmpfs "$view" || return 1
    mkdir "$view/upper" "$view/work" "$view/root"
    mount -t overlay -o "lowerdir=$base/root,upperdir=$view/upper,workdir=$view/work" overlay "$view/root" || return 1
    mount -t proc proc "$view/root/proc"
}

inside() { # COMMAND...
    chroot "$view/root" "$@"
}

# The compiler's own words are a failure: a warning of today is an error of the next one.
compile_module() {
    POLICY_NAME=default "$module/build" "$scratch/module" "$headers" > "$scratch/words" 2>&1 || { cat "$scratch/words"; return 1; }
    ! grep -vxE 'Compiling default waagent module|Creating default waagent.pp policy package' "$scratch/words"
}

compile_probe() {
    mkdir "$scratch/probe"
    cp "$here/lib/probe.te" "$scratch/probe/waagent_probe.te"
    cp "$module/waagent.if" "$scratch/probe/"
    make --no-print-directory -s -C "$scratch/probe" -f "$headers/devel/Makefile" SHAREDIR="$headers" NAME=default \
        waagent_probe.pp
}

link_modules() {
    mkdir "$view/root/tmp/modules"
    cp "$scratch/module/waagent.pp" "$scratch/probe/waagent_probe.pp" "$module/waagent-ports.cil" "$view/root/tmp/modules/"
    inside semodule -s default -n -X 400 -i /tmp/modules/waagent.pp -i /tmp/modules/waagent-ports.cil \
        -i /tmp/modules/waagent_probe.pp 2> "$scratch/words" || { cat "$scratch/words"; return 1; }
    cp "$view"/root/etc/selinux/default/policy/policy.* "$view/root/tmp/policy"
}

# Everything that is asked for later.
dump_policy() {
    inside seinfo /tmp/policy -a -x > "$scratch/attributes" || return 1
    inside sesearch -A /tmp/policy > "$scratch/allow" || return 1
    inside sesearch -T -c process /tmp/policy > "$scratch/transitions" || return 1
    inside seinfo /tmp/policy --genfscon -x > "$scratch/genfscon" || return 1
    split_rules
}

# Rules by domain, with the domain itself as `self`: all that it has (.all), and what is its alone (.own).
split_rules() {
    local domain
    awk -v skip=waagent_ext_run_t -f "$here/lib/expand.awk" "$scratch/attributes" "$scratch/allow" |
        LC_ALL=C sort -u > "$scratch/rules"
    [ -z "${RULES:-}" ] || cat "$scratch/rules" "$scratch/transitions" > "$RULES"
    for domain in "${domains[@]}" waagent_bare_t waagent_common_t; do
        sed -n "s/^$domain //p" "$scratch/rules" | sed "s/^$domain /self /; s/^${domain%_t}_exec_t /self_exec_t /" |
            LC_ALL=C sort -u > "$scratch/$domain.all"
    done
    for domain in "${domains[@]}"; do
        LC_ALL=C comm -23 "$scratch/$domain.all" "$scratch/waagent_common_t.all" > "$scratch/$domain.own"
    done
    LC_ALL=C comm -23 "$scratch/waagent_common_t.all" "$scratch/waagent_bare_t.all" > "$scratch/waagent_common_t.own"
}

# The type of a path in the guest, as its policy says; a path of a pseudo file system by the longest prefix.
type_of() { # PATH [dir|file|block|char|symlink]
    local type
    type=$(sed -n "s,^$1 ${2:-any} ,,p" "$scratch/types" 2>/dev/null)
    if [ -z "$type" ]; then
        case $1 in
        /proc | /proc/*) type=$(pseudo_type proc "${1#/proc}") ;;
        /sys/fs/selinux | /sys/fs/selinux/*) type=$(pseudo_type selinuxfs /) ;;
        /sys | /sys/*) type=$(pseudo_type sysfs "${1#/sys}") ;;
        *) type=$(inside matchpathcon -n ${2:+-m "$2"} "$1" | cut -d: -f3) ;;
        esac
        echo "$1 ${2:-any} ${type:=<<none>>}" >> "$scratch/types"
    fi
    echo "$type"
}

pseudo_type() { # FILE-SYSTEM PATH-IN-IT
    awk -v fs="$1" -v path="${2:-/}" '
        $1 == "genfscon" && $2 == fs && index(path, $3) == 1 && length($3) > length(best) { best = $3; split($NF, c, ":"); type = c[3] }
        END { print type }' "$scratch/genfscon"
}

# LINKED: what linking and reading took, kept for runs that change nothing of the module.
linked_lists="attributes allow transitions genfscon types"

keep_linked() { # FOLDER
    local list
    mkdir -p "$1"
    for list in $linked_lists; do
        [ ! -e "$scratch/$list" ] || cp "$scratch/$list" "$1/"
    done
    cp -a "$view/root/etc/selinux" "$view/root/tmp/policy" "$1/"
}

take_linked() { # FOLDER
    local list
    for list in $linked_lists; do
        [ ! -e "$1/$list" ] || cp "$1/$list" "$scratch/"
    done
    cp -a "$1/selinux" "$view/root/etc/" && cp "$1/policy" "$view/root/tmp/policy" && split_rules
}
