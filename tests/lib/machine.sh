# Functions that make a "new VM" inside a private view (see private-view): addresses, provisioning medium, resource
# disk, fabric, chain. Sourced by the demo, the chain tests and the bench.
# shellcheck shell=bash disable=SC2034,SC2154

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
binaries=${BINARIES:-$repository/target/release}
scenarios=$repository/tests/fabric/scenarios
state=/tmp/fabric
dvd=
disk=
loops=
# See private-view.
real_disk=/run/real-disk
fabric_pid=
chain_pid=
sshd_pid=

# Accounts, host keys, units and the firewall of this machine would be changed.
if [ ! -e /run/private-view ]; then
    echo "$0: this isn't a private view of the machine; run 'tests/lib/private-view $(realpath "$0")'" >&2
    exit 69
fi

# The first process of a PID namespace gets no signal that it doesn't handle.
trap 'exit 130' INT
trap 'exit 143' TERM HUP

has_swap() { [ -d "$real_disk" ]; }

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# The machine's network: loopback alone, with the platform's addresses on it.
make_network() {
    ip link set lo up
    ip addr add 168.63.129.16/32 dev lo
    ip addr add 169.254.169.254/32 dev lo
}

# Programs, accounts and folders at the places where a package puts them; nothing of an agent that is here already.
install_agent() {
    # What nss-myhostname does where it is installed: the machine's own name resolves.
    grep -q plum-07 /etc/hosts || echo '127.0.1.1 plum-07' >>/etc/hosts
    rm -rf /var/lib/waagent /etc/waagent.conf /etc/waagent.conf.d /var/log/waagent.log /var/log/azure
    make --no-print-directory -s -C "$repository" install DESTDIR=/ BINARIES="$binaries" INSTALL_ONLY=1
    local swap=n
    ! has_swap || swap=y
    cat > /etc/waagent.conf.d/50-demo.conf <<CONF
ResourceDisk.Format=y
ResourceDisk.EnableSwap=$swap
ResourceDisk.SwapSizeMB=64
Provisioning.Agent=waagent
Provisioning.DecodeCustomData=y
Provisioning.ExecuteCustomData=y
CONF
}

# A DVD as Azure attaches it (UDF bridge), and a blank disk, as loop devices.
make_devices() { # SCENARIO
    "$binaries/waagent-fabric" media --scenario "$1" --state "$state" --out /tmp/dvd
    genisoimage -quiet -udf -V rd_rdfe_stable.261121-0622 -o /tmp/dvd.iso /tmp/dvd
    rm -rf /tmp/dvd
    local loop options=() folder=/tmp
    # What holds swap mustn't be in memory, and its device not go through it.
    if has_swap; then
        options=(--direct-io=on)
        folder=$real_disk
    fi
    truncate -s 512M "$folder/resource.img"
    loop=$(losetup --find --show --read-only /tmp/dvd.iso)
    disk=$(losetup --find --show "${options[@]}" "$folder/resource.img")
    loops="$loop $disk"
    # A node of its own for the DVD, with the group that udev gives drives: the real node stays as it is.
    dvd=/run/dvd
    mknod -m 0660 "$dvd" b "$((0x$(stat -c %t "$loop")))" "$((0x$(stat -c %T "$loop")))"
    groupadd --force --system cdrom
    chgrp cdrom "$dvd"
}

start_fabric() { # SCENARIO OPTION...
    # Blob storage has a certificate of a test authority; this view of the machine trusts it.
    local scenario=$1
    shift
    "$binaries/waagent-fabric" serve --scenario "$scenario" --state "$state" "$@" >/tmp/fabric.log 2>&1 &
    fabric_pid=$!
    "$binaries/waagent-fabric" wait --until polls=0 --timeout 10 >/dev/null
    if [ -d /usr/local/share/ca-certificates ]; then
        cp "$state/ca.pem" /usr/local/share/ca-certificates/waagent-fabric.crt
        update-ca-certificates >/dev/null 2>&1
    else
        cp "$state/ca.pem" /etc/pki/ca-trust/source/anchors/waagent-fabric.pem
        update-ca-trust
    fi
}

start_chain() {
    /usr/libexec/waagent/waagent-supervise --media-device "$dvd" --disk-device "$disk" "$@" &
    chain_pid=$!
}

stop_chain() {
    [ -n "$chain_pid" ] || return 0
    kill -TERM "$chain_pid" 2>/dev/null || :
    wait "$chain_pid" 2>/dev/null || :
    chain_pid=
}

# A real sshd, with the host keys and the configuration that provisioning left.
start_sshd() {
    mkdir -p /run/sshd
    /usr/sbin/sshd -D -E /tmp/sshd.log -o ListenAddress=127.0.0.1 &
    sshd_pid=$!
}

wait_for() { # UNTIL TIMEOUT-SECONDS
    "$binaries/waagent-fabric" wait --until "$1" --timeout "$2" >/dev/null
}

wait_for_file() { # FILE TENTHS-OF-A-SECOND
    local left=$2
    until [ -e "$1" ]; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1
    done
}

login() { # COMMAND...
    local key
    key=$(ls "$state"/certs/ssh-login.key)
    install -m 0600 "$key" /tmp/login.key
    ssh -q -i /tmp/login.key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
        -o ConnectTimeout=5 orchard@127.0.0.1 "$@"
}

# Leaves nothing behind that outlives the view: swap areas, loop devices, processes.
tear_down() {
    # A second signal mustn't stop the cleaning.
    trap '' INT TERM HUP
    stop_chain
    [ -z "$sshd_pid" ] || kill "$sshd_pid" 2>/dev/null || :
    [ -z "$fabric_pid" ] || kill "$fabric_pid" 2>/dev/null || :
    awk 'NR > 1 && $1 ~ "^/mnt/resource/" { print $1 }' /proc/swaps | xargs -r swapoff ||
        echo "swap is still on, see /proc/swaps" >&2
    umount /mnt/resource 2>/dev/null || umount -l /mnt/resource 2>/dev/null || :
    local loop
    for loop in $loops; do
        partx -d "$loop" 2>/dev/null || :
        losetup -d "$loop" 2>/dev/null || :
    done
    loops=
}
