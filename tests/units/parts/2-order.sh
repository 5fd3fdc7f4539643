# Order of the boot
# shellcheck shell=bash disable=SC2034,SC2154

# A machine that boots: systemd's own units, sshd by a service and by a socket, networkd, cloud-init, and us.
machine() { # STUBS -> its root
    local root=$scratch/machine wanted
    rm -rf "$root"
    mkdir -p "$root/etc/systemd/system" "$root/usr/bin" "$root/usr/sbin"
    cp -a "$scratch/root/usr" "$root/" || return 1
    ln -s usr/lib "$root/lib"
    cp -a /usr/lib/systemd/system/. "$root/usr/lib/systemd/system/" || return 1
    cp /bin/true "$root/usr/bin/true"
    cp "$here/stubs/common/"* "$here/stubs/$1/"* "$root/usr/lib/systemd/system/" || return 1
    want multi-user.target waagent.service cloud-init.target sshd.service systemd-networkd.service
    want sockets.target sshd.socket systemd-networkd.socket
    want network-online.target systemd-networkd-wait-online.service
    echo "$root"
}

want() { # TARGET UNIT... in $root
    local target=$1 unit
    shift
    mkdir -p "$root/etc/systemd/system/$target.wants"
    for unit in "$@"; do
        ln -s "/usr/lib/systemd/system/$unit" "$root/etc/systemd/system/$target.wants/$unit"
    done
}

# systemd's words about a boot of the machine: a cycle, if there is one.
boot() { # ROOT
    systemd-analyze verify --root="$1" --man=no multi-user.target 2>&1
}

boots_without_a_cycle() { # STUBS
    local root words
    root=$(machine "$1") || return 1
    words=$(boot "$root" | grep -E 'ordering cycle|waagent|azure' | knows RestartMode 254)
    [ -z "$words" ] || { echo "$words"; return 1; }
}

# A change that is known to be a cycle, to see that the check would find one.
cycle_is_found() { # STUBS CHANGE UNIT
    local root
    root=$(machine "$1") || return 1
    sed -i "$2" "$root/usr/lib/systemd/system/$3"
    boot "$root" | grep 'Found ordering cycle' >/dev/null || { echo "no cycle was found"; return 1; }
}

# A key that this systemd is too old for, and ignores.
knows() { # KEY SINCE
    local version
    version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    if [ "$version" -ge "$2" ]; then cat; else grep -v "Unknown key.*'$1'"; fi
}

# Each unit alone, and all at once, with nothing but the systemd that is here.
verifies() {
    local root words names
    root=$(machine debian-25) || return 1
    # shellcheck disable=SC2046 # names of units have no spaces
    names=$(unit_files service socket path timer target mount swap slice | sed 's/@\./@x./')
    # shellcheck disable=SC2086
    words=$(systemd-analyze verify --root="$root" --man=no $names 2>&1 | grep -v -E '/(sshd|sshd-keygen|cloud-init[a-z-]*)\.' | knows RestartMode 254)
    [ -z "$words" ] || { echo "$words"; return 1; }
}

# A key that systemd doesn't know would be ignored: the twin of the check above.
unknown_key_is_found() {
    local root
    root=$(machine debian-25) || return 1
    sed -i 's/^ProtectClock=/ProtectClocks=/' "$root/usr/lib/systemd/system/waagent-net.service"
    systemd-analyze verify --root="$root" --man=no waagent-net.service 2>&1 | grep ProtectClocks >/dev/null
}

# Before and After of one unit, as the boot needs them.
is_before() { # UNIT OTHER
    words "$1" Before | grep -qxF "$2" || words "$2" After 2>/dev/null | grep -qxF "$1" || { echo "no order"; return 1; }
}

# See waagent-certs.path.
watches_one_path() { test "$(grep -cE '^Path[A-Z][A-Za-z]*=' "$units/$1")" = 1; }
for unit in "$units"/*.path; do
    check "${unit##*/} watches one path" watches_one_path "${unit##*/}"
done

check "systemd-analyze verify has nothing to say" verifies
check "... and finds a key that doesn't exist" unknown_key_is_found
for stubs in debian-24.3 debian-25 azurelinux-25; do
    check "no ordering cycle beside cloud-init as $stubs orders it" boots_without_a_cycle "$stubs"
done
check "found: one provision unit before the network and after cloud-init's network stage" \
    cycle_is_found debian-25 's/^After=waagent-media.service/& cloud-init-network.service/' waagent-provision.service
check "found: the same with cloud-init 24.3" \
    cycle_is_found debian-24.3 's/^After=waagent-media.service/& cloud-init.service/' waagent-provision.service
check "found: a path unit with default dependencies on the early media service" \
    cycle_is_found debian-25 '/^DefaultDependencies=no/d' waagent-media.path
check "found: an early unit after an ordinary service" \
    cycle_is_found debian-25 's/^After=waagent-media.service/& waagent-certs.service/' waagent-provision.service
check "found: provisioning before sshd.socket on Azure Linux" \
    cycle_is_found azurelinux-25 's/^Before=sshd.service/& sshd.socket/' waagent-provision.service
check "firewall before the network" is_before waagent-firewall.service network-pre.target
check "the firewall's module before modules may be locked" is_before modprobe@nf_tables.service.d/50-waagent.conf systemd-sysctl.service
check "the firewall's module before the firewall" is_before modprobe@nf_tables.service waagent-firewall.service
check "provisioning before the network" is_before waagent-provision.service network-pre.target
for login in sshd.service ssh.service systemd-user-sessions.service; do
    check "provisioning before $login" is_before waagent-provision.service "$login"
done
check "provisioning before connections by a socket" is_before waagent-provision.service sshd@.service.d/50-waagent.conf
check "medium before provisioning" is_before waagent-media.service waagent-provision.service
check "transport certificate before the fetcher" is_before waagent-certs.service waagent-fetch.service
check "endpoint before the fetcher" is_before waagent-net.service waagent-fetch.service
check "provisioning before extensions" is_before waagent-provision.service waagent-ext.service
# A flag that is there when its path unit is armed starts nothing.
check "armed before its flag: mount of the medium" is_before waagent-dvd.path waagent-media.service
check "armed before its flag: release of the medium" is_before waagent-release.path waagent-provision.service
check "armed before its flag: custom data" is_before waagent-customdata.path waagent-provision.service
check "armed before its flag: mount of the resource disk" is_before waagent-resource.path waagent-disk.service
check "armed before its flag: swap area" is_before waagent-swap.path waagent-disk.service
