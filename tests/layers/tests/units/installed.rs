//! What `make install` installs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use waagent_layers::{Installed, has, kinds, none, repository, service, text, tool, units};

/// Paths of all files below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    let said = tool(&["find", folder.to_str().unwrap(), "-type", "f", "-printf", "%P\\n"]);
    said.output.lines().map(str::to_owned).collect()
}

#[test]
fn every_unit_is_installed_and_nothing_else() {
    let installed = Installed::new();
    // Accounts, folders and the preset have places of their own.
    let is_unit = |name: &String| {
        !["90-waagent.preset", "waagent.sysusers.conf", "waagent.tmpfiles.conf"].contains(&name.as_str())
    };
    let ours: BTreeSet<String> = files(&repository().join("systemd")).into_iter().filter(is_unit).collect();
    assert_eq!(files(&installed.root().join("usr/lib/systemd/system")), ours);
}

/// For `waagent audit`. Configuration may be changed, man pages are compressed by packagers.
#[test]
fn the_manifest_lists_all_that_is_installed_with_its_digest() {
    const MANIFEST: &str = "usr/lib/waagent/manifest.sha256";
    let installed = Installed::new();
    let root = installed.root();
    let manifest = fs::read_to_string(root.join(MANIFEST)).unwrap();
    let listed: BTreeSet<String> =
        manifest.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect();
    let there: BTreeSet<String> = files(&root)
        .into_iter()
        .filter(|path| path.starts_with("usr/") && !path.starts_with("usr/share/man/") && path != MANIFEST)
        .collect();
    assert_eq!(listed, there);
    let command = format!("cd '{}' && sha256sum --check --quiet {MANIFEST}", root.display());
    assert!(tool(&["sh", "-c", &command]).is_success);
}

#[test]
fn the_preset_enables_the_umbrella_alone() {
    let installed = Installed::new();
    let preset =
        fs::read_to_string(installed.root().join("usr/lib/systemd/system-preset/90-waagent.preset")).unwrap();
    let lines: Vec<&str> = preset.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines, ["enable waagent.service"]);
}

/// Masking waagent.service must switch everything off: nothing else may ask to be enabled.
#[test]
fn the_umbrella_alone_has_an_install_section() {
    let names: Vec<String> = units()
        .into_iter()
        .map(|unit| unit.name)
        .filter(|name| text(&format!("systemd/{name}")).lines().any(|line| line == "[Install]"))
        .collect();
    assert_eq!(names, ["waagent.service"]);
}

/// The others are started by flags, failures, an order's socket and waagent-ext; the umbrella starts the target.
#[test]
fn the_target_wants_all_but_what_others_start() {
    let target = service("waagent.target");
    let wanted: BTreeSet<&str> = target.words("Wants").collect();
    let all = kinds("service socket path timer mount swap");
    let not_wanted: Vec<&str> =
        all.iter().map(|unit| unit.name.as_str()).filter(|name| !wanted.contains(name)).collect();
    assert_eq!(
        not_wanted,
        [
            "mnt-cdrom-secure.mount",
            "mnt-resource-swapfile.swap",
            "mnt-resource.mount",
            "waagent-customdata.service",
            "waagent-disk-finish.service",
            "waagent-dvd.timer",
            "waagent-exec-mount.service",
            "waagent-ext-run@.service",
            "waagent-failed@.service",
            "waagent-release.timer",
            "waagent-resource.timer",
            "waagent-swap.timer",
            "waagent-transfer.service",
            "waagent.service",
        ]
    );
    let there: BTreeSet<String> = units().into_iter().map(|unit| unit.name).collect();
    assert!(wanted.iter().all(|name| there.contains(*name)), "{wanted:?}");
}

/// What a path unit would be told of while PID 1 reads its units anew, it never hears: what a run has left is looked for
/// when it has ended.
#[test]
fn what_follows_a_run_looks_for_its_flag() {
    let is_flag = |path: &str| path.starts_with("/run/waagent/");
    let mut following = BTreeSet::new();
    for unit in kinds("service") {
        for next in unit.words("OnSuccess") {
            assert!(service(next).values("ConditionPathExists").any(is_flag), "{}: {next}", unit.name);
            following.insert(next.to_owned());
        }
    }
    assert_eq!(following.len(), 5, "{following:?}");
    // Once for each run of who wants it.
    for timer in
        following.iter().filter(|name| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "timer"))
    {
        let unit = service(timer);
        assert!(
            unit.values("RemainAfterElapse").eq(["no"]) && unit.values("OnActiveSec").eq(["0"]),
            "{timer}"
        );
    }
}

#[test]
fn paths_and_timers_start_something_and_once() {
    let there: BTreeSet<String> = units().into_iter().map(|unit| unit.name).collect();
    let mut wrong = Vec::new();
    for unit in kinds("path timer") {
        if !there.contains(&super::rules::started_by(&unit)) {
            wrong.push(format!("{} starts what isn't there", unit.name));
        }
        if unit.has("PathExists") || unit.has("PathExistsGlob") {
            wrong.push(format!("{}: PathExists= starts again and again", unit.name));
        }
    }
    none(&wrong);
}

/// Our files of udev rules.
fn udev_rules() -> Vec<String> {
    let all = files(&repository().join("config"));
    let rules: Vec<String> =
        all.into_iter().filter(|name| Path::new(name).extension().is_some_and(|it| it == "rules")).collect();
    assert!(!rules.is_empty());
    rules
}

#[test]
fn what_udev_and_networkd_read_is_installed() {
    let installed = Installed::new();
    let folder = installed.root().join("usr/lib/udev/rules.d");
    for name in &udev_rules() {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text(&format!("config/{name}")), "{name}");
    }
    // An older systemd-networkd leaves the virtual function of an interface alone by this.
    let network = installed.root().join("usr/lib/systemd/network/01-waagent-unmanaged-sriov.network");
    assert!(fs::metadata(network).unwrap().len() > 0);
}

#[test]
fn udevadm_finds_nothing_wrong_in_the_rules() {
    if !has("udevadm") || !tool(&["udevadm", "verify", "--help"]).is_success {
        return waagent_untested::not_tested("this udevadm has no 'verify' (systemd 254)");
    }
    for name in udev_rules() {
        let path = repository().join("config").join(name);
        let said = tool(&["udevadm", "verify", "--no-summary", path.to_str().unwrap()]);
        assert!(said.is_success, "{}", said.all);
    }
}
