//! Commands by which anybody can check a program's confinement on a machine.

use std::path::Path;

use waagent_common::documents::catalogue::Entry;
use waagent_declaration::Unit;
use waagent_declaration::{Policy, RunsAs};

use crate::reach::{documents, writer};

/// The commands, with comments.
pub fn commands(policy: &Policy, units: &[&Unit]) -> String {
    let unit = units.first().map_or("", |unit| unit.name.as_str());
    let resident = units.iter().find(|unit| unit.values("Type").any(|kind| kind == "notify"));
    let mut lines = vec![
        "# what is declared, by the installed program itself".to_owned(),
        format!("waagent policy {}", policy.program),
        "# what systemd grants, drop-ins included".to_owned(),
        format!("systemctl cat {unit}"),
        format!("systemctl show -p {PROPERTIES} {unit}"),
        format!("systemd-analyze security {unit}"),
    ];
    if let Some(unit) = resident {
        let name = &unit.name;
        lines.push("# what the kernel enforces on the running process".to_owned());
        lines.push(format!("pid=$(systemctl show -P MainPID {name})"));
        lines.push("grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/$pid/status".to_owned());
        lines.push("cat /proc/$pid/attr/current".to_owned());
    }
    let first = documents().into_iter().find(|entry| writer(entry) == policy.program);
    let is_one = |entry: &Entry| Path::new(entry.path).extension().is_some_and(|ending| ending == "json");
    if let Some(entry) = first.filter(is_one) {
        lines.push("# what was in force when it wrote last".to_owned());
        lines.push(format!("jq .sandbox {}", entry.path));
    }
    if matches!(policy.runs_as, RunsAs::User(_)) {
        lines.push("# its account".to_owned());
        lines.push(format!("id {}", policy.program));
    }
    lines.push("# what SELinux grants (package setools-console)".to_owned());
    lines.push(format!("sesearch -A -s {}", policy.selinux));
    lines.push(format!("sesearch --type_trans -s {} -c process", policy.selinux));
    lines.push(format!("matchpathcon -V /usr/libexec/waagent/{}", policy.program));
    lines.join("\n")
}

const PROPERTIES: &str = "User,SupplementaryGroups,CapabilityBoundingSet,AmbientCapabilities,RestrictAddressFamilies,\
                          ReadWritePaths,DeviceAllow,SystemCallFilter,DropInPaths";
