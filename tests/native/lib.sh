# The native tier's machine: this agent's package in the guest's base, booted by systemd-nspawn. Sourced by what boots it.
# shellcheck shell=bash

# Modes in a machine are those of its making.
umask 022
native=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$(cd "$native/../.." && pwd)/target
VM_BASE=${VM_BASE:-$target/vm/base}
VM_WORK=${NATIVE_WORK:-$target/native}
# shellcheck source=tests/vm/lib.sh
. "$native/../vm/lib.sh"
scenario=$repository/tests/fabric/scenarios/key-only.toml
root=$work/root

# Why nothing can be booted here; silent where it can.
obstacle() {
    local tool hierarchy
    [ "$(id -u)" = 0 ] || { echo "it needs root" && return; }
    for tool in systemd-nspawn dnsmasq genisoimage jq ssh ip; do
        command -v $tool >/dev/null || { echo "'$tool' isn't installed; 'tests/lib/packages tests' does it" && return; }
    done
    hierarchy=$(findmnt --noheadings --raw --types cgroup2 --output TARGET | head -n 1)
    [ -n "$hierarchy" ] || { echo "this machine has no hierarchy of control groups, version 2" && return; }
    { mkdir "$hierarchy/waagent-bed-$BASHPID" && rmdir "$hierarchy/waagent-bed-$BASHPID"; } 2>/dev/null ||
        { echo "'$hierarchy' can't be written" && return; }
    unshare --mount --net --pid --fork true 2>/dev/null || { echo "no new namespaces can be made" && return; }
    losetup --find >/dev/null 2>&1 || { echo "there are no loop devices" && return; }
    # One that is being made in the background is waited for.
    "$vm/make-base" "$base" >"$work/base.log" 2>&1 ||
        { echo "the guest's base can't be had; '$work/base.log' says why" && return; }
    mkdir -p "$work"/trial/{upper,work,root}
    unshare --mount mount -t overlay overlay \
        -o "lowerdir=$base/root,upperdir=$work/trial/upper,workdir=$work/trial/work" "$work/trial/root" 2>/dev/null ||
        echo "'$work' can't hold the upper folder of an overlay"
    rm -rf --one-file-system "$work/trial"
}

# The machine before its first boot, made anew when what goes into it has changed; and what was kept of one goes then.
prepare_machine() {
    local key why
    mkdir -p "$work" 2>/dev/null
    why=$(obstacle)
    if [ -n "$why" ]; then
        echo "NOT TESTED  native tier: $why"
        exit 77
    fi
    make_platform_keys || exit 1
    key=$(machine_key)
    [ "$(cat "$root/key" 2>/dev/null)" != "$key" ] || return 0
    rm -rf --one-file-system "${work:?}"/{machine,boots,packages,overlay,upgrade}
    # Without the SELinux module: no container has SELinux.
    make --no-print-directory -s -C "$repository" package BINARIES="$agent" MAN="$binaries/waagent-man" \
        POLICY_HEADERS=/nonexistent PACKAGES="$work/packages" >/dev/null || exit 1
    trust_platform "$work/overlay"
    "$native/make-root" "$base/root" "$root" --agent ours --overlay "$work/overlay" --deb "$work"/packages/waagent_*.deb \
        >"$work/root.log" 2>&1 || { cat "$work/root.log" >&2 && exit 1; }
    echo "$key" >"$root/key"
}

trust_platform() { # FOLDER: that of an overlay
    install -d "$1/usr/local/share/ca-certificates"
    install -m 0644 "$state/ca.pem" "$1/usr/local/share/ca-certificates/waagent-fabric.crt"
}

machine_key() {
    {
        ls "$base"/complete-*
        find "$agent"/waagent* "$state/ca.pem" "$repository"/{config,packaging/debian,systemd} "$native"/{make-root,overlay,agents} \
            -type f ! -name '*.d' ! -name waagent-fabric -print0 | sort -z | xargs -0 sha256sum
    } | sha256sum
}

# A job for the machine: its checks, and what all jobs share.
make_native_job() { # FOLDER JOB-SCRIPT
    make_job "$1" "$2"
    cp "$native/jobs/"{machine.sh,end-state} "$vm/jobs/upgraded" "$1"
}

boot_machine() { # ROOT OUT ARGUMENTS-OF-BOOT...
    BINARIES=$binaries STATE=$state SCENARIO=$scenario "$native/boot" "$@"
}
