//! What starts programs again is what the units say.

use std::collections::BTreeSet;
use std::path::Path;

use waagent_common::root::RUNTIME_PATH;
use waagent_declaration::Unit;

use crate::flags::FLAGS;
use crate::programs::Program;
use crate::triggers::TRIGGERS;

fn unit(name: &str) -> Unit {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(name);
    Unit::parse(name, &std::fs::read_to_string(path).unwrap())
}

/// What must be there for a unit to start.
fn flags_of(names: &[&str]) -> BTreeSet<String> {
    let conditions = |name: &&str| {
        let is_flag = |path: &&str| !path.starts_with('!') && path.starts_with(RUNTIME_PATH);
        unit(name).values("ConditionPathExists").filter(is_flag).map(str::to_owned).collect::<Vec<_>>()
    };
    names.iter().flat_map(conditions).collect()
}

#[test]
fn the_same_flags_ask_for_a_mount_swap_and_custom_data() {
    let asked = flags_of(&["waagent-resource.timer", "waagent-swap.timer", "waagent-customdata.service"]);
    let played: BTreeSet<String> = FLAGS.iter().map(|flag| format!("{RUNTIME_PATH}/{flag}")).collect();
    assert_eq!(played, asked);
}

/// But for what has no supervisor's part: devices come when it is told of them, and it sets no lease.
#[test]
fn the_same_files_start_a_program_as_its_path_units_watch() {
    for (program, names) in [
        (Program::Certs, &["waagent-certs.path", "waagent-transport.path"][..]),
        (Program::ProvisionLate, &["waagent-provision-late.path", "waagent-provision-media.path"]),
        (Program::Net, &["waagent-net.path", "waagent-lease.path"]),
        (Program::Media, &["waagent-media.path", "waagent-release.path"]),
    ] {
        let mut watched: BTreeSet<String> = names
            .iter()
            .flat_map(|name| unit(name).values("PathChanged").map(str::to_owned).collect::<Vec<_>>())
            .filter(|path| !["/dev/sr0", "/run/systemd/netif/leases"].contains(&path.as_str()))
            .collect();
        if program == Program::ProvisionLate {
            watched.extend(flags_of(&["waagent-provision-late.service"]));
        }
        let played: BTreeSet<String> = TRIGGERS
            .iter()
            .filter(|(_, _, triggered)| *triggered == program)
            .map(|(tree, file, _)| format!("{tree}/{file}"))
            .collect();
        assert!(!played.is_empty());
        assert_eq!(played, watched);
    }
}
