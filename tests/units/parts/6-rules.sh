# What holds for all units but the named ones
# shellcheck shell=bash disable=SC2034,SC2154

# Units of these kinds that have the line are exactly all but these.
all_but() { # LINE KINDS EXCEPT...
    local line=$1 kinds=$2
    shift 2
    # shellcheck disable=SC2086
    diff <(printf '%s\n' "$@" | sed '/^$/d' | sort) \
        <(for unit in $(unit_files $kinds); do grep -qxF "$line" "$units/$unit" || echo "$unit"; done | sort)
}

these_alone() { # LINE KINDS UNIT...
    local line=$1 kinds=$2
    shift 2
    # shellcheck disable=SC2086
    diff <(printf '%s\n' "$@" | sort) \
        <(for unit in $(unit_files $kinds); do ! grep -qxF "$line" "$units/$unit" || echo "$unit"; done | sort)
}

everything="service socket path timer mount swap"
check "nothing starts on a deprovisioned machine" \
    all_but 'ConditionPathExists=!/run/waagent/deprovisioned' "$everything target" ""
check "all stops with the agent, but commands, mounts, swap and notes of failures" \
    all_but PartOf=waagent.service "$everything target" mnt-resource.mount mnt-resource-swapfile.swap \
    var-lib-waagent.mount waagent-customdata.service waagent-ext-run@.service waagent-failed@.service waagent.service
check "the platform hears of a failure, but of the fetcher's own, the runner's and the note's" \
    all_but OnFailure=waagent-failed@%n.service service waagent-customdata.service waagent-ext-run@.service \
    waagent-failed@.service waagent-fetch.service waagent.service
# A unit that has met its start limit takes the path unit that starts it down for good.
started_by_paths() {
    local unit started
    for unit in $(unit_files path timer); do
        started=$(values "$unit" Unit)
        echo "${started:-${unit%.*}.service}"
    done | sort -u
}
has_no_start_limit() { test "$(values "$1" StartLimitIntervalSec)" = 0; }
for unit in $(started_by_paths); do
    check "no start limit takes down what starts $unit" has_no_start_limit "$unit"
done
check "no start limit for what paths, timers and PID 1 start again" \
    all_but StartLimitIntervalSec=0 service waagent-disk.service waagent-disk-finish.service waagent-firewall.service \
    waagent-provision.service waagent.service
check "in azure.slice, but what extensions and deployments bring" \
    all_but Slice=azure.slice service waagent-customdata.service waagent-ext-run@.service
check "commands in azure-vmextensions.slice" \
    these_alone Slice=azure-vmextensions.slice service waagent-ext-run@.service
check "the collection of logs is bounded" \
    these_alone CPUQuota=5% slice azure-walinuxagent-logcollector.slice
check "... in memory, too" these_alone MemoryMax=256M slice azure-walinuxagent-logcollector.slice
check "only the umbrella remains after it has run" these_alone RemainAfterExit=yes service waagent.service
check "a new inode for each run of the chain" these_alone RuntimeDirectory=waagent/chain service waagent.service
check "residents come again" \
    these_alone Restart=always service waagent-gate.service waagent-ext.service waagent-fetch.service
check "... but not after what a restart can't change" \
    these_alone "RestartPreventExitStatus=64 77 78" service waagent-gate.service waagent-ext.service waagent-fetch.service
# Each link of the chain: one that was killed would leave those that wait for it waiting.
oneshots() { (cd "$units" && grep -l '^Type=oneshot$' -- *.service); }
for line in Restart=on-failure "RestartPreventExitStatus=64 65 66 69 70 71 73 74 76 77 78"; do
    # shellcheck disable=SC2046
    check "oneshots: $line" these_alone "$line" service $(oneshots)
done
# From systemd 254 on, OnFailure= hears of each end otherwise, also of those that a restart cures.
check "a failure is noted when no restart has cured it" all_but RestartMode=direct service waagent-customdata.service \
    waagent-ext-run@.service
# At a bounded rate; what no path starts is given up in the end.
is_bounded() { # UNIT
    case $(values "$1" RestartSec) in 1s | 5s) ;; *) echo "RestartSec=$(values "$1" RestartSec)"; return 1 ;; esac
    local bound
    bound="$(values "$1" StartLimitIntervalSec) $(values "$1" StartLimitBurst) $(values "$1" RestartSec)"
    case $bound in "0 "*" 5s" | "1min 10 "*) ;; *) echo "$bound"; return 1 ;; esac
}
# Who waits for a job of a unit that is started again and again waits no longer than for one that hangs.
waits_are_bounded() { # UNIT
    local start
    start=$(values "$1" TimeoutStartSec)
    # systemd's own default is 90 s.
    start=${start:-90s}
    [ "$(values "$1" JobRunningTimeoutSec)" = "$((${start%s} + 10))s" ]
}
for unit in $(oneshots); do
    check "$unit is started again at a bounded rate" is_bounded "$unit"
done
for unit in $(oneshots) waagent-gate.service waagent-ext.service waagent-fetch.service; do
    check "$unit keeps nobody waiting for ever" waits_are_bounded "$unit"
done
check "fetcher and planner have a watchdog" these_alone WatchdogSec=5min service waagent-ext.service waagent-fetch.service
secrets="waagent-certs.service waagent-media.service waagent-provision.service waagent-provision-late.service"
# shellcheck disable=SC2086
check "no secret in a swap area" these_alone MemorySwapMax=0 service $secrets
# shellcheck disable=SC2086
check "no secret in a core file" these_alone LimitCORE=0 service $secrets waagent-fetch.service
check "the gate reaches the platform and this machine alone" \
    these_alone "IPAddressAllow=127.0.0.1 168.63.129.16 169.254.169.254" service waagent-gate.service
check "the gate's socket is the fetcher's" these_alone SocketGroup=waagent-fetch socket waagent-gate.socket
check "... and nobody else's" these_alone SocketMode=0660 socket waagent-gate.socket
check "what the runner starts outlives it" \
    these_alone KillMode=process service waagent-customdata.service waagent-ext-run@.service
check "the medium is mounted with no rights" \
    these_alone "Options=ro,nosuid,nodev,noexec,noatime,gid=waagent-media,umask=0227" mount mnt-cdrom-secure.mount
with_tools="waagent-provision.service waagent-provision-late.service"
# shellcheck disable=SC2086
check "no call that changes what is privileged or whose turn it is" \
    all_but "SystemCallFilter=~@privileged @resources" service waagent-customdata.service waagent-ext-run@.service $with_tools
# shellcheck disable=SC2086
check "... but for the tools of these, by name" these_alone "SystemCallFilter=~@resources" service $with_tools
