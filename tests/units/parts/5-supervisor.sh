# The supervisor, which plays the same table without systemd
# shellcheck shell=bash disable=SC2034,SC2154

supervisor=$repository/waagent-supervise/src

# Files that start a program again: `(LIB, "certs/certificates.json", Program::Provision)`.
triggers_of() { # PROGRAM-VARIANT
    grep -o "(\(LIB\|RUN\), \"[^\"]*\", Program::$1)" "$supervisor/triggers.rs" |
        sed 's|^(LIB, "|/var/lib/waagent/|; s|^(RUN, "|/run/waagent/|; s|".*||' | sort
}

# What the supervisor doesn't watch: devices come when it is told of them, and it sets no host name or lease.
watches_the_same() { # PROGRAM-VARIANT PATH-UNIT...
    local variant=$1
    shift
    [ -n "$(triggers_of "$variant")" ] || { echo "no trigger of $variant was found in triggers.rs"; return 1; }
    diff <(triggers_of "$variant") \
        <(for unit; do values "$unit" PathChanged; done | grep -vxE '/dev/sr0|/etc/hostname|/run/systemd/netif/leases' | sort)
}

# `const NET_CAPABILITIES: &[&str] = &[...];`
gives_the_same_capabilities() { # CONSTANT UNIT
    local given
    given=$(tr '\n' ' ' < "$supervisor/programs.rs" | grep -o "const $1_CAPABILITIES[^;]*;" | grep -o 'CAP_[A-Z_]*' | sort)
    [ -n "$given" ] || { echo "$1_CAPABILITIES wasn't found in programs.rs"; return 1; }
    diff <(echo "$given") <(words "$2" CapabilityBoundingSet)
}

# `Self::Firewall | Self::FetchFailed => 30,`
has_the_same_limit() { # PROGRAM-VARIANT UNIT
    local given
    given=$(sed -n '/fn limit/,/^    }/p' "$supervisor/programs.rs" | grep -E "Self::$1( |$)" | grep -o '=> [0-9]*' | tr -d '=> ')
    [ "${given}s" = "$(values "$2" TimeoutStartSec)" ] || { echo "programs.rs: ${given:-nothing}"; return 1; }
}

# `Program::Media | Program::Certs => (5, None),` and `=> (1, Some(10)),`
is_started_again_alike() { # PROGRAM-VARIANT UNIT
    local given burst=None
    given=$(sed -n '/^fn rule/,/^}/p' "$supervisor/restarts.rs" | grep -E "Program::$1( |$)" | grep -o '=> (.*)' | tr -d '=> ')
    [ "$(values "$2" StartLimitIntervalSec)" = 0 ] || burst="Some($(values "$2" StartLimitBurst))"
    [ "$given" = "($(values "$2" RestartSec | tr -d s),$burst)" ] || { echo "restarts.rs: ${given:-nothing}"; return 1; }
}

for pair in Firewall=firewall Media=media Provision=provision Disk=disk DiskFinish=disk-finish Certs=certs Net=net; do
    check "how long waagent-${pair#*=}.service may take" has_the_same_limit "${pair%=*}" "waagent-${pair#*=}.service"
    check "how waagent-${pair#*=}.service is started again" is_started_again_alike "${pair%=*}" "waagent-${pair#*=}.service"
done
for pair in Gate=gate Fetch=fetch Ext=ext; do
    check "how waagent-${pair#*=}.service is started again" is_started_again_alike "${pair%=*}" "waagent-${pair#*=}.service"
done
check "files that start waagent-certs" watches_the_same Certs waagent-certs.path waagent-transport.path
check "files that start waagent-provision" watches_the_same Provision waagent-provision-late.path waagent-provision-media.path
check "files that start waagent-net" watches_the_same Net waagent-net.path waagent-hostname.path waagent-lease.path
check "files that start waagent-media" watches_the_same Media waagent-media.path waagent-release.path
check "capabilities of waagent-net" gives_the_same_capabilities NET waagent-net.service
check "capabilities of waagent-provision" gives_the_same_capabilities PROVISION waagent-provision.service
check "capabilities of waagent-disk" gives_the_same_capabilities DISK waagent-disk.service
