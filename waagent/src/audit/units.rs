//! What systemd grants, drop-ins included: against the declaration, and against the unit as it was installed.

use std::collections::BTreeSet;
use std::path::Path;

use waagent_common::durable::read_bounded;
use waagent_common::fault::{Exit, Fault};
use waagent_declaration::{Declaration, Rights, Unit as UnitFile};

use super::declaration::REINSTALL;
use super::finding::{Finding, Layer, State, Subject};
use super::machine::{Machine, PROGRAMS, UNITS};
use super::properties::{Properties, addresses, bytes};

/// One prints the version, one has mount(8) bind a folder: nothing else of ours executes what declares nothing.
const UNDECLARED: &[&str] = &[
    "/usr/sbin/waagent -version",
    "/usr/bin/mount -o bind,exec,nosuid,nodev /var/lib/waagent /var/lib/waagent",
];

/// Compares every service of the agent that executes a declared program.
pub fn compare(machine: &Machine, declarations: &[Declaration]) -> Vec<Finding> {
    if !machine.has_systemd() {
        return vec![Subject::new("waagent", Layer::Unit).unchecked("units", "systemd doesn't run here")];
    }
    let mut found = Vec::new();
    for (name, file) in installed(machine) {
        let declaration = declarations.iter().find(|known| program(&file) == Some(&known.program));
        match declaration {
            Some(declaration) => found.extend(one(machine, declaration, &name, &file)),
            None if file.last("ExecStart").is_some_and(|command| UNDECLARED.contains(&command)) => {}
            None => found.push(Subject::new("waagent", Layer::Unit).differs(
                format!("{name} ExecStart"),
                "a program of the agent's, which declares what it may do",
                file.last("ExecStart").unwrap_or_default(),
                REINSTALL,
            )),
        }
    }
    found
}

/// Our services as the package installed them, by name.
fn installed(machine: &Machine) -> Vec<(String, UnitFile)> {
    let mut found = Vec::new();
    let Ok(folder) = std::fs::read_dir(machine.path(UNITS)) else { return found };
    for entry in folder.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let service = Path::new(&name).extension().is_some_and(|ending| ending == "service");
        if service
            && name.starts_with("waagent")
            && let Ok(text) = read_bounded(&entry.path(), MAX_BYTES)
        {
            let file = UnitFile::parse(&name, &String::from_utf8_lossy(&text)).only("Service");
            found.push((name, file));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn one(machine: &Machine, declaration: &Declaration, name: &str, file: &UnitFile) -> Vec<Finding> {
    let subject = Subject::new(&declaration.program, Layer::Unit);
    let properties = match show(machine, name) {
        Ok(properties) => properties,
        Err(fault) => return vec![subject.unchecked(name, fault.text)],
    };
    let remedy = remedy(&properties, name);
    let unit = Unit { subject, name, file, properties: &properties, remedy };
    let mut found = vec![unit.place()];
    if declaration.is_unconfined() {
        found.extend(unit.unconfined());
        return found;
    }
    found.extend(unit.declared(declaration));
    found.extend(unit.as_installed());
    found.push(unit.calls(declaration));
    found
}

/// The program that it executes, where that is in the folder of the programs.
fn program(file: &UnitFile) -> Option<&str> {
    file.executable()?.strip_prefix(PROGRAMS)?.strip_prefix('/')
}

/// What systemd says of a unit; of a template, what it would say of an instance.
fn show(machine: &Machine, name: &str) -> Result<Properties, Fault> {
    let tool = machine
        .tool(SYSTEMCTL)
        .ok_or_else(|| Fault::new(Exit::Unavailable, format!("there is no '{SYSTEMCTL}'")))?;
    let instance = name.replace("@.", &format!("@{INSTANCE}."));
    let names = format!("--property={}", [PLAIN, LISTS, ADDRESSES, OTHERS].concat().join(","));
    let output = tool.args(["show".to_owned(), names, instance]).run()?;
    let properties = Properties::parse(&output.stdout);
    match properties.value("LoadState") {
        "loaded" | "masked" => Ok(properties),
        state => Err(Fault::new(Exit::Unavailable, format!("systemd says that it is '{state}'"))),
    }
}

fn remedy(properties: &Properties, name: &str) -> String {
    match properties.value("DropInPaths") {
        "" => format!("systemctl daemon-reload; {REINSTALL} if '{name}' still differs"),
        paths => format!("remove what changes it from {paths}, then systemctl daemon-reload"),
    }
}

/// A unit that is compared.
struct Unit<'a> {
    subject: Subject,
    name: &'a str,
    file: &'a UnitFile,
    properties: &'a Properties,
    remedy: String,
}

impl Unit<'_> {
    /// Is it the package's file, and not one of `/etc` instead?
    fn place(&self) -> Finding {
        let expected = format!("{UNITS}/{}", self.name);
        let path = self.properties.value("FragmentPath");
        if path == expected || path == expected.trim_start_matches("/usr") {
            return self.subject.ok(format!("{} FragmentPath", self.name));
        }
        let remedy = format!("systemctl revert {}", self.name);
        self.subject.differs(format!("{} FragmentPath", self.name), expected, path, remedy)
    }

    /// A drop-in of a unit without confinement may add or change what it likes; it is named.
    fn unconfined(&self) -> Option<Finding> {
        let paths = self.properties.value("DropInPaths");
        let why = format!("this unit is unconfined by promise, and changed by {paths}");
        (!paths.is_empty()).then(|| self.subject.unchecked(format!("{} DropInPaths", self.name), why))
    }

    /// User, groups and capabilities, as the program itself declares them.
    fn declared(&self, declaration: &Declaration) -> Vec<Finding> {
        let declared = Rights::declared(declaration);
        let granted = Rights::granted(|key| self.properties.values(key).collect());
        DECLARED
            .iter()
            .map(|key| self.compare(key, &declared.of(key).join(" "), &granted.of(key).join(" ")))
            .collect()
    }

    /// Every line of confinement that the installed file has.
    fn as_installed(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for key in PLAIN {
            let Some(expected) = self.file.last(key) else { continue };
            found.push(if self.properties.has(key) {
                self.compare(key, &bytes(expected), self.properties.value(key))
            } else {
                self.subject.unchecked(format!("{} {key}", self.name), "this systemd doesn't know it")
            });
        }
        for key in LISTS {
            let expected: BTreeSet<String> = self.file.words(key).map(str::to_owned).collect();
            found.push(self.sets(key, &expected, &self.properties.words(key)));
        }
        for key in ADDRESSES {
            let now = self.properties.words(key);
            let now = addresses(now.iter().map(String::as_str));
            found.push(self.sets(key, &addresses(self.file.words(key)), &now));
        }
        let devices: BTreeSet<String> = self.file.values("DeviceAllow").map(str::to_owned).collect();
        let now = self.properties.values("DeviceAllow").filter(|value| !value.is_empty()).map(str::to_owned);
        found.push(self.sets("DeviceAllow", &devices, &now.collect()));
        found.push(self.command());
        found
    }

    /// Does it execute what the installed file says?
    fn command(&self) -> Finding {
        let expected = self.file.last("ExecStart").unwrap_or_default().replace("%i", INSTANCE);
        let now = self.properties.value("ExecStart");
        let words = now.split_once("argv[]=").and_then(|(_, rest)| rest.split_once(" ;"));
        self.compare("ExecStart", &expected, words.map_or(now, |(words, _)| words))
    }

    /// The filter is a list of what is allowed, with nothing in it that changes the kernel but what is declared.
    fn calls(&self, declaration: &Declaration) -> Finding {
        let what = format!("{} SystemCallFilter", self.name);
        let filter = self.properties.words("SystemCallFilter");
        let filter: BTreeSet<&str> =
            filter.iter().map(|word| word.split(':').next().unwrap_or(word)).collect();
        if filter.is_empty() || filter.iter().any(|word| word.starts_with('~')) {
            return self.subject.differs(what, "a list of what is allowed", "none", self.remedy.clone());
        }
        let declared = declaration.calls();
        let beyond: Vec<&str> = DANGEROUS
            .iter()
            .copied()
            .filter(|call| filter.contains(call) && !declared.contains(call))
            .collect();
        self.compare("SystemCallFilter", "", &beyond.join(" "))
    }

    fn sets(&self, key: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) -> Finding {
        let words = |set: &BTreeSet<String>| {
            set.iter().filter(|word| *word != "none").cloned().collect::<Vec<_>>().join(" ")
        };
        self.compare(key, &words(expected), &words(found))
    }

    fn compare(&self, key: &str, expected: &str, found: &str) -> Finding {
        let finding = self.subject.compare(format!("{} {key}", self.name), expected, found, &self.remedy);
        debug_assert!(finding.state != State::Unchecked, "equal or not");
        finding
    }
}

/// Keys of [`Rights`] that are compared with the declaration; the others are as the installed file has them, which its
/// tests compare: a unit of one command of a program may know fewer sockets than it declares, and one whose program makes a
/// socket before it enters its sandbox knows one more.
const DECLARED: &[&str] = &["User", "SupplementaryGroups", "CapabilityBoundingSet", "AmbientCapabilities"];
/// Of a template, what is asked for: nothing is started by that.
const INSTANCE: &str = "audit";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// Largest unit file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Keys with one value, which systemctl prints as the file says it; sizes in bytes.
const PLAIN: &[&str] = &[
    "DevicePolicy",
    "KeyringMode",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "MemoryMax",
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "ProcSubset",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "RemoveIPC",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallArchitectures",
    "TasksMax",
    "UMask",
];
/// Keys with words in any order.
const LISTS: &[&str] = &["ReadOnlyPaths", "ReadWritePaths", "RestrictAddressFamilies"];
const ADDRESSES: &[&str] = &["IPAddressAllow", "IPAddressDeny"];
/// What systemctl is asked for beyond those.
const OTHERS: &[&str] = &[
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DeviceAllow",
    "DropInPaths",
    "ExecStart",
    "FragmentPath",
    "Group",
    "LoadState",
    "SupplementaryGroups",
    "SystemCallFilter",
    "User",
];
/// Calls that change the kernel or the machine; none of them is in the filter of a confined program by accident.
const DANGEROUS: &[&str] = &[
    "bpf",
    "clock_settime",
    "delete_module",
    "finit_module",
    "init_module",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "mount",
    "perf_event_open",
    "pivot_root",
    "ptrace",
    "reboot",
    "swapoff",
    "swapon",
    "umount2",
];
