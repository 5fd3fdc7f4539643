//! Exposure, as `systemd-analyze security` counts it, and what every confined unit says.

use waagent_audit::exposure::limit;
use waagent_declaration::{RIGHTS, Tables, Unit};
use waagent_layers::{none, repository, service, services, tables, text, tool};

use super::has_systemd_analyze;
use super::kernel::KERNEL;

/// What every confined service says.
const BASELINE: &[&str] = &[
    "DevicePolicy=closed",
    "IPAddressDeny=any",
    "KeyringMode=private",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "PrivateIPC=yes",
    "PrivateMounts=yes",
    "PrivateNetwork=yes",
    "PrivateTmp=yes",
    "ProcSubset=pid",
    "ProtectHome=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
];
/// Units that get no name space of their own, and what they can't say therefore: one prints the version, and making its name
/// spaces would cost more than that; what the other mounts is for the machine.
pub const WITHOUT_NAME_SPACES: &[(&str, &[&str])] = &[
    ("waagent.service", &[]),
    // mount(8) enters the domain of its own, which a process without new privileges may not.
    ("waagent-exec-mount.service", &["NoNewPrivileges"]),
];
/// What makes one, or mounts something in it.
const NAME_SPACES: &[&str] = &[
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "ProcSubset",
    "ProtectHome",
    "ProtectHostname",
    "ProtectProc",
    "ProtectSystem",
];
/// What each has in some form.
const BOUNDED: &[&str] =
    &["CapabilityBoundingSet", "MemoryMax", "TasksMax", "RestrictAddressFamilies", "SystemCallFilter"];

/// How keys begin that a handler would inherit something of.
const CONFINING: &[&str] = &[
    "Ambient",
    "AppArmor",
    "Capability",
    "Device",
    "Dynamic",
    "ExecPaths",
    "IPAddress",
    "Inaccessible",
    "Keyring",
    "Lock",
    "Memory",
    "NoExec",
    "NoNew",
    "Private",
    "Proc",
    "Protect",
    "ReadOnly",
    "ReadWrite",
    "Restrict",
    "SELinux",
    "SecureBits",
    "System",
    "User",
];

pub fn confined() -> Vec<Unit> {
    let all: Vec<Unit> = services().into_iter().filter(|unit| limit(&unit.name).is_some()).collect();
    assert!(all.len() > 10);
    all
}

fn relaxation<'a>(tables: &'a Tables, unit: &str, key: &str) -> Option<&'a str> {
    let mut rows = tables.relaxations.iter();
    rows.find(|row| row.subject == unit && row.key == key).map(|row| row.what.as_str())
}

/// What of the baseline a unit is to say.
fn baseline_of(unit: &str) -> impl Iterator<Item = &'static str> {
    let row = WITHOUT_NAME_SPACES.iter().find(|(name, _)| *name == unit);
    let lacks = row.map(|(_, besides)| NAME_SPACES.iter().chain(*besides).copied().collect::<Vec<_>>());
    let lacks = lacks.unwrap_or_default();
    let key = |line: &'static str| line.split('=').next().unwrap();
    BASELINE.iter().copied().filter(move |line| !lacks.contains(&key(line)))
}

/// Every line of the baseline, or the relaxation that the table names instead.
fn lacks(unit: &Unit, tables: &Tables) -> Vec<String> {
    let name = &unit.name;
    let mut wrong = Vec::new();
    for line in baseline_of(name) {
        let (key, value) = line.split_once('=').unwrap();
        let found = unit.last(key);
        match relaxation(tables, name, key) {
            Some(_) if found == Some(value) => wrong.push(format!("{name}: not relaxed any more: {key}")),
            Some(other) if found == Some(other) => {}
            None if found == Some(value) => {}
            _ => wrong.push(format!("{name}: {line} is missing, it says {found:?}")),
        }
    }
    wrong.extend(BOUNDED.iter().filter(|key| !unit.has(key)).map(|key| format!("{name}: {key}= is missing")));
    let is_own_user = unit.last("User").is_some_and(|user| user.starts_with("waagent-"));
    if is_own_user && unit.last("RemoveIPC") != Some("yes") {
        wrong.push(format!("{name}: RemoveIPC=yes is missing"));
    }
    wrong
}

#[test]
fn each_confined_unit_says_all_of_the_baseline() {
    let tables = tables();
    none(&confined().iter().flat_map(|unit| lacks(unit, &tables)).collect::<Vec<_>>());
}

/// Taken out one by one, every line of the baseline is missed, and every one that a unit has instead.
#[test]
fn a_line_of_the_baseline_that_is_taken_out_is_missed() {
    let tables = tables();
    let mut tried = 0;
    for unit in confined() {
        let source = text(&format!("systemd/{}", unit.name));
        for key in
            baseline_of(&unit.name).map(|line| line.split('=').next().unwrap()).chain(BOUNDED.iter().copied())
        {
            let keeps = |line: &&str| !line.starts_with(&format!("{key}="));
            let without: String = source.lines().filter(keeps).map(|line| format!("{line}\n")).collect();
            assert_ne!(without, source, "{}: {key}", unit.name);
            assert!(!lacks(&Unit::parse(&unit.name, &without), &tables).is_empty(), "{}: {key}", unit.name);
            tried += 1;
        }
    }
    assert!(tried > 300);
}

/// The reason stands above what is looser than its neighbours.
#[test]
fn each_unit_says_why_it_is_looser() {
    let mut wrong = Vec::new();
    for row in tables().relaxations {
        let unit = service(&row.subject);
        let confinement = unit.confinement();
        let is_said = confinement
            .iter()
            .any(|(key, value, why)| *key == row.key && *value == row.what && !why.is_empty());
        if !is_said {
            wrong.push(format!("{}: no comment above {}={}", row.subject, row.key, row.what));
        }
    }
    none(&wrong);
}

#[test]
fn what_is_unconfined_says_so_and_hands_nothing_on() {
    let unconfined: Vec<Unit> = services().into_iter().filter(|unit| limit(&unit.name).is_none()).collect();
    let names: Vec<&str> = unconfined.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["waagent-customdata.service", "waagent-ext-run@.service"]);
    for unit in unconfined {
        let lines: Vec<_> =
            unit.keys().filter(|key| CONFINING.iter().any(|begin| key.starts_with(begin))).collect();
        assert!(lines.is_empty(), "handlers would inherit these lines: {lines:?}");
        let source = text(&format!("systemd/{}", unit.name));
        assert!(source.contains("\n# No line of confinement, on purpose"), "{}", unit.name);
    }
}

fn is_exposed_at_most(path: &str, limit: &str) -> Result<(), String> {
    let tenths = format!("--threshold={}", limit.replace('.', ""));
    let said = tool(&["systemd-analyze", "security", "--offline=true", "--no-pager", &tenths, path]);
    let lines = said.all.lines().filter(|line| line.contains('✗') || line.contains("verall"));
    if said.is_success { Ok(()) } else { Err(lines.collect::<Vec<_>>().join("\n")) }
}

#[test]
fn each_confined_unit_is_exposed_at_most_as_its_limit_says() {
    if !has_systemd_analyze() {
        return;
    }
    let folder = repository().join("systemd");
    let mut wrong = Vec::new();
    for unit in confined() {
        let path = folder.join(&unit.name);
        if let Err(why) = is_exposed_at_most(path.to_str().unwrap(), limit(&unit.name).unwrap()) {
            wrong.push(format!("{}: {why}", unit.name));
        }
    }
    none(&wrong);
}

#[test]
fn a_unit_without_two_of_its_lines_is_over_its_limit() {
    if !has_systemd_analyze() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let twin = scratch.path().join("twin.service");
    let source = text("systemd/waagent-fetch.service");
    let keeps = |line: &&str| !line.starts_with("PrivateMounts=") && !line.starts_with("ProtectSystem=");
    std::fs::write(&twin, source.lines().filter(keeps).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    assert!(is_exposed_at_most(twin.to_str().unwrap(), limit("waagent-fetch.service").unwrap()).is_err());
}

/// How a confined service runs; all else that it may say is of the baseline, bounds something, or is compared with the
/// declaration. Another key, such as `BindPaths=`, `LoadCredential=` or `ExecStartPre=`, would give what nobody looks at.
const RUNS: &[&str] = &[
    "CPUQuota",
    "EnvironmentFile",
    "ExecStart",
    "Group",
    "IPAddressAllow",
    "LimitCORE",
    "MemorySwapMax",
    "OOMScoreAdjust",
    "ReadOnlyPaths",
    "RemainAfterExit",
    "RemoveIPC",
    "Restart",
    "RestartMode",
    "RestartPreventExitStatus",
    "RestartSec",
    "RuntimeDirectory",
    "RuntimeMaxSec",
    "Slice",
    "StandardError",
    "StandardOutput",
    "SuccessExitStatus",
    "SyslogIdentifier",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "WatchdogSec",
];

/// What of a confined unit is in no list, resets one, or runs something else.
fn unknown(unit: Unit) -> Vec<String> {
    let name = unit.name.clone();
    let service = unit.only("Service");
    let is_known = |key: &str| {
        RUNS.contains(&key)
            || RIGHTS.contains(&key)
            || BOUNDED.contains(&key)
            || KERNEL.contains(&key)
            || BASELINE.iter().any(|line| line.split('=').next() == Some(key))
    };
    let mut wrong: Vec<String> = service
        .keys()
        .filter(|key| !is_known(key))
        .map(|key| format!("{name}: {key}= is in no list"))
        .collect();
    // An empty value lifts a restriction, or takes back what is above it; a bounding set is emptied.
    let is_reset = |key: &&str| *key != "CapabilityBoundingSet" && service.values(key).any(str::is_empty);
    wrong.extend(service.keys().filter(is_reset).map(|key| format!("{name}: {key}= is empty")));
    let commands: Vec<&str> = service.values("ExecStart").collect();
    let is_ours = |command: &&str| {
        command.starts_with("/usr/libexec/waagent/waagent-")
            || *command == "/usr/sbin/waagent -version"
            || *command == "/usr/bin/mount -o bind,exec,nosuid,nodev /var/lib/waagent /var/lib/waagent"
    };
    if commands.len() != 1 || !commands.iter().all(is_ours) {
        wrong.push(format!("{name}: executes {commands:?}"));
    }
    wrong
}

#[test]
fn a_confined_unit_says_nothing_that_nobody_compares() {
    none(&confined().into_iter().flat_map(unknown).collect::<Vec<_>>());
    // What the distribution's units get; ours have no drop-ins.
    let folder = std::fs::read_dir(repository().join("systemd")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(
        names.filter(|name| name.rsplit('.').next() == Some("d")).all(|name| !name.starts_with("waagent"))
    );
}

#[test]
fn what_a_comparison_would_not_see_is_refused() {
    let source = text("systemd/waagent-certs.service");
    for line in [
        "BindPaths=/etc",
        "LoadCredential=x:/etc/shadow",
        "ExecStartPre=+/bin/sh",
        "ExecStart=/bin/sh",
        "RestrictAddressFamilies=",
        "SystemCallFilter=",
        "User=",
        "StateDirectory=x",
    ] {
        let twin = Unit::parse("waagent-certs.service", &format!("{source}{line}\n"));
        assert!(!unknown(twin).is_empty(), "{line}");
    }
    let twin = source.replace("ExecStart=/usr", "ExecStart=+/usr");
    assert!(!unknown(Unit::parse("waagent-certs.service", &twin)).is_empty());
}

/// Keys of `[Unit]` in the order of the house.
const ORDER: &[&str] = &[
    "Description",
    "Documentation",
    "DefaultDependencies",
    "ConditionPathExists",
    "ConditionPathIsMountPoint",
    "Conflicts",
    "RequiresMountsFor",
    "Requires",
    "Wants",
    "Upholds",
    "After",
    "Before",
    "PartOf",
    "OnFailure",
    "OnSuccess",
    "CollectMode",
    "JobRunningTimeoutSec",
    "StartLimitBurst",
    "StartLimitIntervalSec",
];

/// `[Unit]` in the order of the list; `[Service]`: how it runs, a blank line, confinement in the order of the alphabet.
#[test]
fn each_unit_is_in_the_order_of_the_house() {
    let keys = |lines: &[&str]| -> Vec<String> {
        let is_key = |line: &&&str| !line.starts_with('#') && line.contains('=');
        lines.iter().filter(is_key).map(|line| line.split('=').next().unwrap().to_owned()).collect()
    };
    for unit in services() {
        let source = text(&format!("systemd/{}", unit.name));
        let section = |name: &str| -> Vec<&str> {
            let lines = source.lines().skip_while(|line| *line != name).skip(1);
            lines.take_while(|line| !line.starts_with('[')).collect()
        };
        let places: Vec<usize> = keys(&section("[Unit]"))
            .iter()
            .map(|key| ORDER.iter().position(|known| known == key).unwrap_or_else(|| panic!("{key}")))
            .collect();
        assert!(places.is_sorted(), "{}: [Unit]", unit.name);
        let service = section("[Service]");
        let second: Vec<&str> = service.into_iter().skip_while(|line| !line.is_empty()).skip(1).collect();
        let second: Vec<&str> = second.into_iter().take_while(|line| !line.is_empty()).collect();
        assert!(keys(&second).is_sorted(), "{}: [Service]", unit.name);
    }
}
