//! Order of the boot.

use std::fs;
use std::path::{Path, PathBuf};

use waagent_declaration::Unit;
use waagent_layers::{Installed, kinds, none, repository, service, tool, units};

use super::has_systemd_analyze;

/// A machine that boots: systemd's own units, sshd by a service and by a socket, networkd, cloud-init, and us.
struct Machine {
    _installed: Installed,
    root: PathBuf,
}

const UNITS: &str = "usr/lib/systemd/system";

impl Machine {
    fn new(stubs: &str) -> Self {
        let installed = Installed::new();
        let root = installed.root();
        let units = root.join(UNITS);
        copy("/usr/lib/systemd/system/.", &units);
        for folder in ["common", stubs] {
            copy(repository().join("tests/layers/stubs").join(folder).join(".").to_str().unwrap(), &units);
        }
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        for tool in ["true", "mount"] {
            fs::copy("/bin/true", root.join("usr/bin").join(tool)).unwrap();
        }
        let machine = Self { _installed: installed, root };
        machine.want(
            "multi-user.target",
            &["waagent.service", "cloud-init.target", "sshd.service", "systemd-networkd.service"],
        );
        machine.want("sockets.target", &["sshd.socket", "systemd-networkd.socket"]);
        machine.want("network-online.target", &["systemd-networkd-wait-online.service"]);
        machine
    }

    fn want(&self, target: &str, units: &[&str]) {
        let folder = self.root.join("etc/systemd/system").join(format!("{target}.wants"));
        fs::create_dir_all(&folder).unwrap();
        for unit in units {
            let path = Path::new("/usr/lib/systemd/system").join(unit);
            std::os::unix::fs::symlink(path, folder.join(unit)).unwrap();
        }
    }

    /// Changes one line of a unit, or adds one after it.
    fn change(&self, unit: &str, change: impl Fn(&str) -> String) {
        let path = self.root.join(UNITS).join(unit);
        let before = fs::read_to_string(&path).unwrap();
        let after: String = before.lines().map(|line| change(line) + "\n").collect();
        assert_ne!(before, after, "nothing was changed in {unit}");
        fs::write(path, after).unwrap();
    }

    /// systemd's words about units of the machine.
    fn verify(&self, names: &[&str]) -> Vec<String> {
        let root = format!("--root={}", self.root.display());
        let said = tool(&[&["systemd-analyze", "verify", &root, "--man=no"], names].concat());
        said.all.lines().filter(|line| !is_of_a_newer_systemd(line)).map(str::to_owned).collect()
    }

    fn boot(&self) -> Vec<String> {
        self.verify(&["multi-user.target"])
    }
}

fn copy(from: &str, to: &Path) {
    assert!(tool(&["cp", "-a", from, to.to_str().unwrap()]).is_success, "{from}");
}

/// A key that this systemd is too old for, and ignores.
fn is_of_a_newer_systemd(line: &str) -> bool {
    let version = tool(&["systemctl", "--version"]).output;
    let version: u32 = version.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    version < 254 && line.contains("Unknown key") && line.contains("'RestartMode'")
}

#[test]
fn systemd_has_nothing_to_say_of_each_unit() {
    if !has_systemd_analyze() {
        return;
    }
    let machine = Machine::new("debian-25");
    let names: Vec<String> = units().iter().map(|unit| unit.name.replace("@.", "@x.")).collect();
    let said = machine.verify(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let is_ours = |line: &&String| {
        !["/sshd.", "/sshd-keygen.", "/sshd@", "/cloud-init"].iter().any(|other| line.contains(other))
    };
    none(&said.iter().filter(is_ours).cloned().collect::<Vec<_>>());
}

/// A key that systemd doesn't know would be ignored.
#[test]
fn a_key_that_does_not_exist_is_found() {
    if !has_systemd_analyze() {
        return;
    }
    let machine = Machine::new("debian-25");
    machine.change("waagent-net.service", |line| line.replace("ProtectHome=", "ProtectHomes="));
    let said = machine.verify(&["waagent-net.service"]);
    assert!(said.iter().any(|line| line.contains("ProtectHomes")), "{said:?}");
}

#[test]
fn there_is_no_cycle_beside_cloud_init_however_it_is_ordered() {
    if !has_systemd_analyze() {
        return;
    }
    for stubs in ["debian-24.3", "debian-25", "azurelinux-25"] {
        let said = Machine::new(stubs).boot();
        let is_wrong =
            |line: &&String| ["ordering cycle", "waagent", "azure"].iter().any(|word| line.contains(word));
        none(&said.iter().filter(is_wrong).cloned().collect::<Vec<_>>());
    }
}

/// What becomes of a line.
type Change = Box<dyn Fn(&str) -> String>;

/// Changes that are known to be cycles, to see that the check above would find one.
#[test]
fn each_known_cycle_is_found() {
    if !has_systemd_analyze() {
        return;
    }
    let after_media = |unit: &'static str| {
        move |line: &str| {
            if line.starts_with("After=waagent-media.service") {
                format!("{line} {unit}")
            } else {
                line.to_owned()
            }
        }
    };
    let cycles: [(&str, &str, &str, Change); 5] = [
        (
            "one provision unit before the network and after cloud-init's network stage",
            "debian-25",
            "waagent-provision.service",
            Box::new(after_media("cloud-init-network.service")),
        ),
        (
            "the same with cloud-init 24.3",
            "debian-24.3",
            "waagent-provision.service",
            Box::new(after_media("cloud-init.service")),
        ),
        (
            "a path unit with default dependencies on the early media service",
            "debian-25",
            "waagent-media.path",
            Box::new(|line| line.replace("DefaultDependencies=no", "")),
        ),
        (
            "an early unit after an ordinary service",
            "debian-25",
            "waagent-provision.service",
            Box::new(after_media("waagent-certs.service")),
        ),
        (
            "provisioning before sshd.socket on Azure Linux",
            "azurelinux-25",
            "waagent-provision.service",
            Box::new(|line| line.replace("Before=network-pre", "Before=sshd.socket network-pre")),
        ),
    ];
    for (what, stubs, unit, change) in cycles {
        let machine = Machine::new(stubs);
        machine.change(unit, change);
        let said = machine.boot();
        assert!(said.iter().any(|line| line.contains("Found ordering cycle")), "{what}: {said:?}");
    }
}

/// See waagent-certs.path.
#[test]
fn each_path_unit_watches_one_path() {
    for unit in kinds("path") {
        assert_eq!(unit.keys().filter(|key| key.starts_with("Path")).count(), 1, "{}", unit.name);
    }
}

/// By its own words, or the other's.
fn is_before(unit: &str, other: &str) -> bool {
    let says = |of: &str, key: &str, what: &str| {
        let is_ours = repository().join("systemd").join(of).is_file();
        is_ours && Unit::words(&service(of), key).any(|word| word == what)
    };
    says(unit, "Before", other) || says(other, "After", unit)
}

#[test]
fn each_comes_before_what_needs_it() {
    let (early, late) = ("waagent-provision.service", "waagent-provision-late.service");
    let mut wrong = Vec::new();
    for (unit, other) in [
        ("waagent-firewall.service", "network-pre.target"),
        // The firewall's module, before modules may be locked.
        ("modprobe@nf_tables.service.d/50-waagent.conf", "systemd-sysctl.service"),
        ("modprobe@nf_tables.service", "waagent-firewall.service"),
        (early, "network-pre.target"),
        (late, "sshd.service"),
        (late, "ssh.service"),
        (late, "systemd-user-sessions.service"),
        (late, "sshd@.service.d/50-waagent.conf"),
        (late, "ssh@.service.d/50-waagent.conf"),
        ("waagent-media.service", early),
        (late, "waagent-ext.service"),
        // A flag that is there when its path unit is armed starts nothing.
        ("waagent-release.path", early),
        // The late pass looks for the flag of the first.
        (early, late),
    ] {
        if !is_before(unit, other) {
            wrong.push(format!("{unit} isn't before {other}"));
        }
    }
    none(&wrong);
    assert!(!is_before(early, "waagent-media.service"));
    // cloud-init's network stage may restart the agent: it would wait for what waits for itself.
    assert!(!is_before(late, "waagent.service"));
}
