//! What starts programs again is what the path units say.

use std::collections::BTreeSet;
use std::path::Path;

use waagent_declaration::Unit;

use crate::programs::Program;
use crate::triggers::TRIGGERS;

fn unit(name: &str) -> Unit {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(name);
    Unit::parse(name, &std::fs::read_to_string(path).unwrap())
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
