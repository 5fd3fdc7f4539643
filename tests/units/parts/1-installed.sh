# What make install installs
# shellcheck shell=bash disable=SC2034,SC2154

root=$scratch/root

programs_of_the_makefile() {
    sed -n '/^PROGRAMS/,/[^\\]$/ { s/PROGRAMS *=//; s/[\\]$//; p }' "$repository/Makefile"
    grep -o 'BINARIES)/waagent[a-z-]*' "$repository/Makefile" | sed 's|.*/||'
}

install_everything() {
    mkdir -p "$scratch/programs"
    # Real files where there are some: verify wants to see programs, not to run them.
    local program
    for program in $(programs_of_the_makefile); do
        if [ -x "$binaries/$program" ]; then
            ln -sf "$binaries/$program" "$scratch/programs/"
        else
            cp /bin/true "$scratch/programs/$program"
        fi
    done
    make --no-print-directory -s -C "$repository" install INSTALL_ONLY=1 DESTDIR="$root" BINARIES="$scratch/programs"
}

# Our files, but for accounts and folders, which have places of their own.
every_unit_is_installed() {
    diff <(cd "$units" && find . -type f ! -name 'waagent.*.conf' ! -name '*.preset' | sort) \
        <(cd "$root/usr/lib/systemd/system" && find . -type f | sort)
}

# For `waagent audit`. Configuration may be changed, man pages are compressed by packagers.
manifest_is_of_all_that_is_installed() {
    local manifest=usr/lib/waagent/manifest.sha256
    diff <(cd "$root" && find usr -type f ! -path 'usr/share/man/*' ! -path $manifest | LC_ALL=C sort) \
        <(sed 's/^[^ ]*  //' "$root/$manifest") && (cd "$root" && sha256sum --check --quiet $manifest)
}

preset_enables_the_umbrella_alone() {
    diff <(echo "enable waagent.service") <(sed '/^#/d; /^$/d' "$root/usr/lib/systemd/system-preset/90-waagent.preset")
}

# Masking waagent.service must switch everything off: nothing else may ask to be enabled.
umbrella_alone_has_an_install_section() {
    diff <(echo waagent.service) <(cd "$units" && grep -l '^\[Install\]' -- *.* 2>/dev/null)
}

target_wants_exist() {
    local unit
    for unit in $(words waagent.target Wants); do
        [ -e "$units/$unit" ] || echo "waagent.target wants '$unit', which isn't there"
    done | { ! grep .; }
}

# What isn't wanted by the target: the umbrella, and what flags, failures and waagent-ext start.
target_wants_all_but_these() {
    diff <(
        printf '%s\n' mnt-cdrom-secure.mount mnt-resource.mount mnt-resource-swapfile.swap waagent-customdata.service \
            waagent-disk-finish.service waagent-ext-run@.service waagent-failed@.service waagent.service \
            var-lib-waagent.mount | sort
    ) <(comm -23 <(unit_files service socket path timer mount swap | sort) <(words waagent.target Wants))
}

# Wanted by the target, or started by nothing at all.
paths_and_timers_start_something() {
    local unit started
    for unit in $(unit_files path timer); do
        started=$(values "$unit" Unit)
        [ -e "$units/${started:-${unit%.*}.service}" ] || echo "$unit starts what isn't there"
        if grep -q '^PathExists' "$units/$unit"; then echo "$unit: PathExists= starts again and again"; fi
    done | { ! grep .; }
}

check "make install into a scratch root" install_everything
check "every unit is installed, and nothing else" every_unit_is_installed
check "the manifest lists all that is installed, with its digest" manifest_is_of_all_that_is_installed
check "the preset enables waagent.service alone" preset_enables_the_umbrella_alone
check "waagent.service alone can be enabled" umbrella_alone_has_an_install_section
check "what waagent.target wants is there" target_wants_exist
check "waagent.target wants all but what flags, failures and waagent-ext start" target_wants_all_but_these
check "paths and timers start something, and once" paths_and_timers_start_something
for rules in "$repository"/config/*.rules; do
    check "the udev rules $(basename "$rules") are installed" cmp "$rules" "$root/usr/lib/udev/rules.d/$(basename "$rules")"
done
if udevadm verify --help >/dev/null 2>&1; then
    check "udevadm verify finds nothing wrong in them" udevadm verify --no-summary "$repository"/config/*.rules
else
    untested "the syntax of the udev rules" "this udevadm has no 'verify' (systemd 254)"
fi
check "the virtual function of a network interface is left alone by an older systemd-networkd" \
    test -s "$root/usr/lib/systemd/network/01-waagent-unmanaged-sriov.network"
