//! What holds for all units but the named ones.

use std::collections::BTreeSet;
use std::time::Duration;

use waagent_declaration::Unit;
use waagent_layers::{kinds, none, services};

/// The unit that a path unit or a timer starts.
pub fn started_by(unit: &Unit) -> String {
    let own = || format!("{}.service", unit.name.rsplit_once('.').unwrap().0);
    unit.last("Unit").map_or_else(own, str::to_owned)
}

/// Names of units of these kinds that have a line.
fn with(line: &str, of: &str) -> Vec<String> {
    let (key, value) = line.split_once('=').unwrap();
    kinds(of)
        .into_iter()
        .filter(|unit| unit.values(key).any(|found| found == value))
        .map(|unit| unit.name)
        .collect()
}

/// Units of these kinds that have the line are exactly these.
fn these_alone(line: &str, of: &str, units: &[&str]) {
    let expected: BTreeSet<&str> = units.iter().copied().collect();
    let found = with(line, of);
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{line}");
}

/// ... are exactly all but these.
fn all_but(line: &str, of: &str, except: &[&str]) {
    let all = kinds(of);
    let others: Vec<&str> =
        all.iter().map(|unit| unit.name.as_str()).filter(|name| !except.contains(name)).collect();
    assert!(except.iter().all(|name| all.iter().any(|unit| unit.name == *name)), "{except:?}");
    these_alone(line, of, &others);
}

const EVERYTHING: &str = "service socket path timer mount swap target";
const RESIDENTS: [&str; 3] = ["waagent-gate.service", "waagent-ext.service", "waagent-fetch.service"];
/// Neither resident nor a link of the chain: its socket starts it.
const ON_DEMAND: &str = "waagent-transfer.service";
/// Commands of handlers and of the deployment: unconfined by promise.
const COMMANDS: [&str; 2] = ["waagent-customdata.service", "waagent-ext-run@.service"];
const HOLD_SECRETS: [&str; 4] = [
    "waagent-certs.service",
    "waagent-media.service",
    "waagent-provision.service",
    "waagent-provision-late.service",
];
/// Both are the fetcher's to connect to.
const SOCKETS: [&str; 2] = ["waagent-gate.socket", "waagent-transfer.socket"];
const WITH_TOOLS: [&str; 2] = ["waagent-provision.service", "waagent-provision-late.service"];

/// What works and ends; the late pass says before that who is ordered after it may go on.
fn oneshots() -> Vec<Unit> {
    let ends =
        |unit: &Unit| unit.last("Type") == Some("oneshot") || unit.name == "waagent-provision-late.service";
    services().into_iter().filter(ends).collect()
}

fn names(units: &[Unit]) -> Vec<&str> {
    units.iter().map(|unit| unit.name.as_str()).collect()
}

#[test]
fn nothing_starts_on_a_deprovisioned_machine() {
    all_but("ConditionPathExists=!/run/waagent/deprovisioned", EVERYTHING, &[]);
}

#[test]
fn all_stops_with_the_agent_but_commands_mounts_swap_and_notes_of_failures() {
    let mut except = vec![
        "mnt-resource.mount",
        "mnt-resource-swapfile.swap",
        "waagent-exec-mount.service",
        "waagent-failed@.service",
        "waagent.service",
    ];
    except.extend(COMMANDS);
    all_but("PartOf=waagent.service", EVERYTHING, &except);
}

#[test]
fn each_failure_is_noted_but_the_fetchers_own_the_runners_and_the_notes() {
    let except =
        ["waagent-failed@.service", "waagent-fetch.service", "waagent.service", "waagent-ext-run@.service"];
    all_but("OnFailure=waagent-failed@%n.service", "service", &except);
    // From systemd 254 on, OnFailure= hears of each end otherwise, also of those that a restart cures.
    all_but("RestartMode=direct", "service", &COMMANDS);
}

/// A unit that has met its start limit takes the path unit that starts it down for good.
#[test]
fn no_start_limit_takes_down_what_starts_a_unit_again() {
    let mut wrong = Vec::new();
    for starter in kinds("path timer") {
        let started = started_by(&starter);
        let unit = kinds("service mount swap").into_iter().find(|unit| unit.name == started).unwrap();
        if unit.last("StartLimitIntervalSec") != Some("0") {
            wrong.push(format!("{started}, which {} starts", starter.name));
        }
    }
    none(&wrong);
    let except = [
        "waagent-disk.service",
        "waagent-disk-finish.service",
        "waagent-firewall.service",
        "waagent-provision.service",
        "waagent.service",
    ];
    all_but("StartLimitIntervalSec=0", "service", &except);
}

#[test]
fn each_unit_is_in_its_slice_and_slices_are_bounded() {
    all_but("Slice=azure.slice", "service", &COMMANDS);
    these_alone("Slice=azure-vmextensions.slice", "service", &["waagent-ext-run@.service"]);
    these_alone("CPUQuota=5%", "slice", &["azure-walinuxagent-logcollector.slice"]);
    these_alone("MemoryMax=256M", "slice", &["azure-walinuxagent-logcollector.slice"]);
}

#[test]
fn only_the_umbrella_remains_and_each_run_of_the_chain_has_an_inode_of_its_own() {
    these_alone("RemainAfterExit=yes", "service", &["waagent.service"]);
    these_alone("RuntimeDirectory=waagent/chain", "service", &["waagent.service"]);
}

#[test]
fn residents_come_again_but_not_after_what_a_restart_cannot_change() {
    these_alone("Restart=always", "service", &RESIDENTS);
    these_alone("RestartPreventExitStatus=64 77 78", "service", &RESIDENTS);
}

/// Each link of the chain: one that was killed would leave those that wait for it waiting.
#[test]
fn a_killed_oneshot_comes_again() {
    let oneshots = oneshots();
    assert!(oneshots.len() > 8);
    these_alone("Restart=on-failure", "service", &[&names(&oneshots)[..], &[ON_DEMAND]].concat());
    let last = "RestartPreventExitStatus=64 65 66 69 70 71 73 74 76 77 78";
    let (of_mount, ours): (Vec<&str>, Vec<&str>) =
        names(&oneshots).into_iter().partition(|name| *name == "waagent-exec-mount.service");
    these_alone(last, "service", &ours);
    // Those of mount(8).
    these_alone("RestartPreventExitStatus=1 2 4 8 16 32 64", "service", &of_mount);
}

/// What no path starts is given up in the end.
#[test]
fn oneshots_come_again_at_a_bounded_rate() {
    let mut wrong = Vec::new();
    for unit in oneshots() {
        let of = |key: &str| unit.last(key).unwrap_or("").to_owned();
        let limit = (of("StartLimitIntervalSec"), of("StartLimitBurst"), of("RestartSec"));
        match (limit.0.as_str(), limit.1.as_str(), limit.2.as_str()) {
            ("0", _, "5s") | ("1min", "10", "1s" | "5s") => {}
            _ => wrong.push(format!("{}: {limit:?}", unit.name)),
        }
    }
    none(&wrong);
}

/// Who waits for a job of a unit that is started again and again waits no longer than for one that hangs.
#[test]
fn nobody_is_kept_waiting_for_ever() {
    let is_resident = |unit: &Unit| RESIDENTS.contains(&unit.name.as_str());
    for unit in oneshots().into_iter().chain(services().into_iter().filter(is_resident)) {
        // systemd's own default is 90 s.
        let start = unit.time("TimeoutStartSec").unwrap_or(Duration::from_secs(90));
        let expected = Some(start + Duration::from_secs(10));
        assert_eq!(unit.time("JobRunningTimeoutSec"), expected, "{}", unit.name);
    }
}

#[test]
fn fetcher_and_planner_have_a_watchdog() {
    these_alone("WatchdogSec=5min", "service", &["waagent-ext.service", "waagent-fetch.service"]);
}

#[test]
fn no_secret_gets_into_a_swap_area_or_a_core_file() {
    these_alone("MemorySwapMax=0", "service", &HOLD_SECRETS);
    these_alone(
        "LimitCORE=0",
        "service",
        &[&HOLD_SECRETS[..], &["waagent-fetch.service", ON_DEMAND]].concat(),
    );
}

#[test]
fn the_gate_reaches_the_platform_and_this_machine_alone_and_is_the_fetchers() {
    let addresses = "IPAddressAllow=127.0.0.1 168.63.129.16";
    these_alone(addresses, "service", &["waagent-gate.service"]);
    these_alone("SocketGroup=waagent-fetch", "socket", &SOCKETS);
    these_alone("SocketMode=0660", "socket", &SOCKETS);
}

/// A start limit would take its socket down with it, and for good: the fetcher's unit starts the socket again.
#[test]
fn transfers_are_started_by_their_socket_for_ever() {
    these_alone("Upholds=waagent-transfer.socket", "service", &["waagent-fetch.service"]);
    these_alone("SuccessExitStatus=75", "service", &[ON_DEMAND]);
    these_alone("RestartPreventExitStatus=64 66 77 78", "service", &[ON_DEMAND]);
}

#[test]
fn what_the_runner_starts_outlives_it() {
    these_alone("KillMode=process", "service", &COMMANDS);
}

#[test]
fn the_medium_is_mounted_with_no_rights() {
    let options = "Options=ro,nosuid,nodev,noexec,noatime,gid=waagent-media,umask=0227";
    these_alone(options, "mount", &["mnt-cdrom-secure.mount"]);
}

#[test]
fn no_call_changes_what_is_privileged_or_whose_turn_it_is() {
    let except = [COMMANDS, WITH_TOOLS].concat();
    all_but("SystemCallFilter=~@privileged @resources", "service", &except);
    // The tools of these need some of the privileged ones, by name.
    these_alone("SystemCallFilter=~@resources", "service", &WITH_TOOLS);
}
