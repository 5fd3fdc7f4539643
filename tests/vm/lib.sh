# A guest and all that it meets: packages, image, provisioning medium, resource disk, platform. Sourced by the scenarios.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
vm=$repository/tests/vm
work=${VM_WORK:-$repository/target/vm}
base=${VM_BASE:-$work/base${SUITE:+-$SUITE}}
binaries=${BINARIES:-$repository/target/release}
# The agent in the guest, which may be of another architecture than the platform outside of it.
agent=${AGENT:-$binaries}
headers=$base/policy-dev/usr/share/selinux
scenario=$repository/tests/fabric/scenarios/first-boot.toml
state=$work/fabric
image=$work/guest.img

# What each scenario needs, made once in a run, and again when something that goes into the guest has changed.
prepare() {
    [ "${VM_PREPARED:-}" != "$work" ] || return 0
    "$vm/packages"
    mkdir -p "$work"
    "$vm/make-base" "$base"
    make --no-print-directory -s -C "$repository" package BINARIES="$agent" MAN="$binaries/waagent-man" POLICY_HEADERS="$headers" \
        POLICY_NAME="$(policy_name)" PACKAGES="$work/packages" >/dev/null
    make_platform_keys
    rm -rf "$work/overlay"
    install -d "$work/overlay/usr/local/share/ca-certificates"
    install -m 0644 "$state/ca.pem" "$work/overlay/usr/local/share/ca-certificates/waagent-fabric.crt"
    # A stale image, and what was kept of machines that ran on it.
    is_current "$image" || rm -f "$image" "$work"/*/disk.qcow2
    export VM_PREPARED=$work
}

# Debian's default, or Fedora's targeted.
policy_name() { sed -n 's/^SELINUXTYPE=//p' "$base/root/etc/selinux/config"; }

# The digest of all that goes into an image. The packages hold times: what they are made of counts.
ingredients() { # ARGUMENTS-OF-MAKE-IMAGE...
    local argument parts=("$agent"/waagent* "$repository"/{config,packaging/debian,selinux,systemd} "$vm/guest" "$vm/make-image")
    for argument in "$work/overlay" "$@"; do
        [ ! -e "$argument" ] || parts+=("$argument")
    done
    {
        printf '%s\n' "$@"
        ls "$base"/complete-*
        find "${parts[@]}" -type f ! -name '*.d' ! -name waagent-fabric ! -name waagent-enter -print0 | sort -z | xargs -0 sha256sum
    } | sha256sum
}

is_current() { # IMAGE ARGUMENTS-OF-MAKE-IMAGE...
    local out=$1
    shift
    [ -e "$out" ] && [ "$(cat "$out.key" 2>/dev/null)" = "$(ingredients "$@")" ]
}

# The packages of the agent into a copy of the base, unless it is there: make_guest IMAGE ARGUMENTS-OF-MAKE-IMAGE...
make_guest() {
    local out=$1
    shift
    ! is_current "$out" "$@" || return 0
    rm -f "$out.key"
    "$vm/make-image" "$base" "$out" --overlay "$work/overlay" --package "$work"/packages/waagent-selinux_*.deb \
        --package "$work"/packages/waagent_*.deb "$@" >"$out.log" 2>&1 || { cat "$out.log"; return 1; }
    ingredients "$@" >"$out.key"
}

# The fabric's keys and its certificate authority, which the image trusts.
make_platform_keys() {
    [ ! -e "$state/ca.pem" ] || return 0
    rm -rf "$state"
    serve_once
}

# The platform comes up and goes: what the scenario wants in its state folder is there then.
serve_once() {
    unshare --net bash -c '
        ip link set lo up
        "$1/waagent-fabric" serve --scenario "$2" --state "$3" --wire-server 127.0.0.1:80 \
            --host-plugin 127.0.0.1:32526 --imds 127.0.0.1:81 &
        fabric=$!
        "$1/waagent-fabric" wait --until polls=0 --timeout 20
        kill "$fabric"
        wait "$fabric" || :' serve_once "$binaries" "$scenario" "$state" >/dev/null
}

# A DVD as Azure attaches it (UDF bridge), and a blank disk.
make_media() { # FOLDER
    mkdir -p "$1"
    rm -rf "$1/dvd"
    "$binaries/waagent-fabric" media --scenario "$scenario" --state "$state" --out "$1/dvd"
    genisoimage -quiet -udf -V rd_rdfe_stable.261121-0622 -o "$1/dvd.iso" "$1/dvd"
    rm -f "$1/resource.img"
    truncate -s 1G "$1/resource.img"
}

# The machine as first-boot left it, for this scenario alone: its disk and its resource disk in this folder.
continue_first_boot() { # FOLDER
    local disk=$work/first-boot/disk.qcow2
    [ -e "$disk" ] || "$vm/first-boot"
    mkdir -p "$1"
    rm -f "$1"/{disk.qcow2,resource.img}
    qemu-img create -q -f qcow2 -F qcow2 -b "$(readlink -f "$disk")" "$1/disk.qcow2"
    cp --sparse=always "$work/first-boot/resource.img" "$1/resource.img"
}

# The same package once more, with a higher version, where a command of an extension finds it.
make_upgrade() { # OVERLAY SCRATCH
    rm -rf "$1" "$2"
    install -d "$1/opt/upgrade"
    dpkg-deb -R "$work"/packages/waagent_*.deb "$2"
    sed -i 's/^Version: .*/&+upgraded/' "$2/DEBIAN/control"
    # As reproducible as the package is: else each run would need another image.
    SOURCE_DATE_EPOCH=1 dpkg-deb --root-owner-group -Zgzip --build "$2" "$1/opt/upgrade/waagent.deb" >/dev/null
}

# A job for the guest: its checks, and what all jobs share.
make_job() { # FOLDER JOB-SCRIPT
    rm -rf "$1"
    mkdir -p "$1"
    cp "$2" "$1/run"
    cp "$vm/jobs/common.sh" "$repository/tests/chain/checks.sh" "$1"
}

# boot NAME ARGUMENTS-OF-RUN-GUEST...: runs $work/NAME/job in the guest, with the platform outside.
boot() {
    local name=$1
    shift
    "$vm/run-guest" "$base" "$image" "$work/$name/job" "$work/$name/out" --platform "$(platform)" "$@"
}

# The platform's command line: without the demand for the opener's uid, which can't be seen through the emulator.
platform() {
    sed '/^require_uid0_opener/d' "$scenario" >"$work/scenario.toml"
    echo "$binaries/waagent-fabric serve --scenario $work/scenario.toml --state $state" \
        "--storage-http 203.0.113.10:80 --storage-https 203.0.113.10:443"
}

# What the guest's job and the driver checked, and their counts as one closing line. A job without an end has failed.
close() { # NAME FILE...
    local name=$1 passed failed seen
    shift
    for file in "$@"; do
        [ -e "$file" ] || echo "FAIL  '$file' is missing: the guest's job didn't end, see $work/$name/out"
    done >"$work/$name/missing"
    seen=$(cat "$work/$name/missing" "$@" 2>/dev/null | grep -aE '^(ok  |FAIL|NOT TESTED|      )') || :
    printf '%s\n' "$seen"
    passed=$(grep -c '^ok  ' <<<"$seen") || :
    failed=$(grep -c '^FAIL' <<<"$seen") || :
    printf 'vm %s: %s passed, %s failed\n' "$name" "$passed" "$failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
