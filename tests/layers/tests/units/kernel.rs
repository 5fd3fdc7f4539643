//! Clock, modules, log and switches of the kernel: closed in each unit, by whichever line is cheapest.

use waagent_declaration::Unit;
use waagent_layers::{none, text};

use super::exposure::{WITHOUT_NAME_SPACES, confined};

/// Lines that are there where nothing else says the same.
pub const KERNEL: &[&str] = &["ProtectControlGroups", "ProtectKernelLogs", "ProtectKernelTunables"];

/// Clock, modules, log and switches of the kernel. Each line of systemd's for one of them costs a start milliseconds
/// (docs/decisions/boot.md), and is idle where others say the same: the filter names the calls that are allowed, the
/// bounding set has no such capability, devices are closed, and who isn't root owns nothing in /proc and /sys.
fn open_to_the_kernel(unit: &Unit) -> Vec<String> {
    let name = &unit.name;
    let mut wrong = Vec::new();
    let allowed: Vec<&str> = unit
        .values("SystemCallFilter")
        .filter(|line| !line.starts_with('~'))
        .flat_map(str::split_whitespace)
        .collect();
    if allowed.first() != Some(&"@system-service") {
        wrong.push(format!("{name}: its filter isn't a list of what is allowed"));
    }
    let calls = ["@clock", "@module", "@privileged", "@raw-io", "adjtimex", "clock_settime", "syslog"];
    wrong.extend(allowed.iter().filter(|it| calls.contains(it)).map(|call| format!("{name}: {call}")));
    wrong.extend(allowed.iter().filter(|it| it.ends_with("_module")).map(|call| format!("{name}: {call}")));
    let bounding: Vec<&str> = unit.words("CapabilityBoundingSet").collect();
    for capability in ["CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYSLOG"] {
        if !unit.has("CapabilityBoundingSet") || bounding.contains(&capability) {
            wrong.push(format!("{name}: {capability}"));
        }
    }
    let is_of_the_kernel = |device: &&str| ["rtc", "kmsg", "mem"].iter().any(|it| device.contains(it));
    wrong.extend(unit.values("DeviceAllow").filter(is_of_the_kernel).map(|it| format!("{name}: {it}")));
    let says = |key: &str| unit.last(key) == Some("yes");
    if bounding.contains(&"CAP_SYS_ADMIN") && !says("ProtectKernelLogs") {
        wrong.push(format!("{name}: CAP_SYS_ADMIN opens the kernel's log in /proc"));
    }
    let is_root = !unit.last("User").is_some_and(|user| user.starts_with("waagent-"));
    let has_switches = is_root && unit.last("ProcSubset") == Some("all");
    let is_closed = if has_switches {
        says("ProtectKernelTunables") && says("ProtectControlGroups")
    } else {
        unit.words("ReadOnlyPaths").any(|path| path == "/sys")
    };
    if !is_closed {
        wrong.push(format!("{name}: switches of the kernel"));
    }
    wrong
}

#[test]
fn what_the_kernel_offers_is_closed_by_one_line_or_another() {
    let has_name_spaces = |unit: &Unit| !WITHOUT_NAME_SPACES.iter().any(|(name, _)| *name == unit.name);
    let units: Vec<Unit> = confined().into_iter().filter(has_name_spaces).collect();
    none(&units.iter().flat_map(open_to_the_kernel).collect::<Vec<_>>());
    let mut tried = 0;
    for unit in units {
        let source = text(&format!("systemd/{}", unit.name));
        let closing = |line: &&str| {
            [
                "ProtectKernelLogs=yes",
                "ProtectKernelTunables=yes",
                "ProtectControlGroups=yes",
                "ReadOnlyPaths=/sys",
                "SystemCallFilter=@system-service",
            ]
            .contains(line)
                || line.starts_with("CapabilityBoundingSet=")
        };
        for taken in source.lines().filter(closing) {
            let without: String =
                source.lines().filter(|line| *line != taken).map(|line| format!("{line}\n")).collect();
            assert!(
                !open_to_the_kernel(&Unit::parse(&unit.name, &without)).is_empty(),
                "{}: {taken}",
                unit.name
            );
            tried += 1;
        }
        for added in
            ["DeviceAllow=char-rtc r", "SystemCallFilter=clock_settime", "CapabilityBoundingSet=CAP_SYSLOG"]
        {
            let twin = Unit::parse(&unit.name, &format!("{source}{added}\n"));
            assert!(!open_to_the_kernel(&twin).is_empty(), "{}: {added}", unit.name);
        }
    }
    assert!(tried > 35, "{tried}");
}
