//! What the supervisor plays is what the units say.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use waagent_declaration::Unit;

use crate::programs::Program;
use crate::restarts;
use crate::triggers::TRIGGERS;

const UNITS: [(Program, &str); 12] = [
    (Program::Firewall, "waagent-firewall.service"),
    (Program::Media, "waagent-media.service"),
    (Program::Provision, "waagent-provision.service"),
    (Program::Disk, "waagent-disk.service"),
    (Program::DiskFinish, "waagent-disk-finish.service"),
    (Program::Certs, "waagent-certs.service"),
    (Program::Net, "waagent-net.service"),
    (Program::Gate, "waagent-gate.service"),
    (Program::Fetch, "waagent-fetch.service"),
    (Program::FetchFailed, "waagent-failed@.service"),
    (Program::Ext, "waagent-ext.service"),
    (Program::Runner, "waagent-ext-run@.service"),
];

fn unit(name: &str) -> Unit {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(name);
    Unit::parse(name, &std::fs::read_to_string(path).unwrap())
}

fn words<'a>(unit: &'a Unit, key: &'a str) -> BTreeSet<&'a str> {
    unit.words(key).collect()
}

fn seconds(value: &str) -> Duration {
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    let scale = match unit {
        "" | "s" => 1,
        "min" => 60,
        _ => panic!("'{value}'"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * scale)
}

#[test]
fn each_program_gets_the_rights_that_its_unit_gives() {
    for (program, name) in UNITS {
        let (unit, rights) = (unit(name), program.rights());
        assert_eq!(unit.program(), Some(rights.binary), "{name}");
        let user = unit.last("User").unwrap_or("root");
        assert_eq!(rights.user, user, "{name}");
        assert_eq!(rights.group, unit.last("Group").unwrap_or(user), "{name}");
        let groups: BTreeSet<&str> = rights.groups.iter().copied().collect();
        assert_eq!(groups, words(&unit, "SupplementaryGroups"), "{name}");
        match rights.capabilities {
            Some(given) => {
                let given: BTreeSet<&str> = given.iter().copied().collect();
                assert_eq!(given, words(&unit, "CapabilityBoundingSet"), "{name}");
            }
            None => assert!(!unit.has("CapabilityBoundingSet"), "{name}"),
        }
    }
}

#[test]
fn a_run_may_take_as_long_as_its_unit_says() {
    for (program, name) in UNITS {
        if let Some(limit) = program.limit() {
            assert_eq!(Some(limit), unit(name).last("TimeoutStartSec").map(seconds), "{name}");
        }
    }
}

#[test]
fn what_ended_is_started_again_as_its_unit_says() {
    for (program, name) in UNITS {
        let unit = unit(name);
        // A note of a failure that wasn't written is made with the next failure: here nobody waits for the platform.
        let Some(rule) = restarts::rule(program) else { continue };
        assert_eq!(Some(rule.pause), unit.last("RestartSec").map(seconds), "{name}");
        let burst = unit.last("StartLimitBurst").map(|burst| burst.parse().unwrap());
        let is_bounded = unit.last("StartLimitIntervalSec") != Some("0");
        assert_eq!(rule.burst, burst.filter(|_| is_bounded), "{name}");
        assert_eq!(rule.burst.is_some(), is_bounded, "{name}");
    }
}

/// But for what has no supervisor's part: devices come when it is told of them, and it sets no host name or lease.
#[test]
fn the_same_files_start_a_program_as_its_path_units_watch() {
    for (program, names) in [
        (Program::Certs, &["waagent-certs.path", "waagent-transport.path"][..]),
        (Program::Provision, &["waagent-provision-late.path", "waagent-provision-media.path"]),
        (Program::Net, &["waagent-net.path", "waagent-hostname.path", "waagent-lease.path"]),
        (Program::Media, &["waagent-media.path", "waagent-release.path"]),
    ] {
        let watched: BTreeSet<String> = names
            .iter()
            .flat_map(|name| unit(name).values("PathChanged").map(str::to_owned).collect::<Vec<_>>())
            .filter(|path| {
                !["/dev/sr0", "/etc/hostname", "/run/systemd/netif/leases"].contains(&path.as_str())
            })
            .collect();
        let played: BTreeSet<String> = TRIGGERS
            .iter()
            .filter(|(_, _, triggered)| *triggered == program)
            .map(|(tree, file, _)| format!("{tree}/{file}"))
            .collect();
        assert!(!played.is_empty());
        assert_eq!(played, watched);
    }
}
