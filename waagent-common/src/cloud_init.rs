//! Will cloud-init provision this machine? Found from its files, by nobody's answer.

use std::fs;
use std::path::{Path, PathBuf};

use crate::durable::read_bounded;
use crate::root::Root;

/// Where units and links to them are, the first that has a unit wins (systemd.unit(5)).
const UNIT_FOLDERS: &[&str] = &[
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// The stage that reads the medium. From 24.3 on it only calls the process of [`MAIN`].
const LOCAL: &str = "cloud-init-local.service";
const MAIN: &str = "cloud-init-main.service";
/// What the generator pulls in; the services are wanted by it, where they are enabled.
const TARGET: &str = "cloud-init.target";
/// The word of cloud-init's generator in this boot (canonical/cloud-init, systemd/cloud-init-generator.tmpl).
const SAYS_NO: &str = "/run/cloud-init/disabled";
const SAYS_YES: &[&str] =
    &["/run/cloud-init/enabled", "/run/systemd/generator.early/multi-user.target.wants/cloud-init.target"];
/// Folders of links beside the units (systemd.unit(5)).
const LINKS: &[&str] = &["wants", "requires", "upholds"];

/// What there is of cloud-init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudInit {
    /// Not installed.
    Absent,
    /// Installed, and it won't run.
    Disabled,
    /// It runs, or has run, in this boot.
    Enabled,
}

impl CloudInit {
    /// It runs where nothing forbids it, its generator has found work for it, and something starts its services:
    /// the generator pulls in the target also where an administrator has disabled all that the target would start.
    pub fn on(root: &Root) -> Self {
        if unit(root, LOCAL).is_none() {
            return Self::Absent;
        }
        let is_masked =
            [LOCAL, MAIN, TARGET].iter().filter_map(|name| unit(root, name)).any(|path| is_mask(&path));
        let says_yes = SAYS_YES.iter().any(|path| is_there(&root.path(path)));
        let may_run = !is_masked && !is_switched_off(root) && !is_there(&root.path(SAYS_NO));
        if may_run && says_yes && is_wanted(root) { Self::Enabled } else { Self::Disabled }
    }
}

/// The file that systemd takes for this unit.
fn unit(root: &Root, name: &str) -> Option<PathBuf> {
    UNIT_FOLDERS.iter().map(|folder| root.path(folder).join(name)).find(|path| is_there(path))
}

/// An empty file, or a link to `/dev/null` (systemd.unit(5)).
fn is_mask(unit: &Path) -> bool {
    let is_empty = fs::symlink_metadata(unit).is_ok_and(|meta| meta.is_file() && meta.len() == 0);
    is_empty || fs::read_link(unit).is_ok_and(|target| target.ends_with("dev/null"))
}

/// What its units themselves ask for before they start.
fn is_switched_off(root: &Root) -> bool {
    // A kernel line that can't be read switches nothing off.
    let line = read_bounded(&root.path("/proc/cmdline"), 64 << 10).unwrap_or_default();
    is_there(&root.path("/etc/cloud/cloud-init.disabled"))
        || String::from_utf8_lossy(&line).split_whitespace().any(|word| word == "cloud-init=disabled")
}

fn is_wanted(root: &Root) -> bool {
    UNIT_FOLDERS.iter().any(|folder| {
        // A folder that isn't there holds no links.
        let Ok(entries) = fs::read_dir(root.path(folder)) else { return false };
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| LINKS.iter().any(|link| kind == *link)))
            .any(|links| [LOCAL, MAIN].iter().any(|name| is_start(&links.join(name))))
    })
}

fn is_start(link: &Path) -> bool {
    is_there(link) && !is_mask(link)
}

/// Also a link to nowhere: below a scratch root all of them are.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
#[path = "../../tests/support/src/layouts.rs"]
mod layouts;

#[cfg(test)]
mod tests {
    use super::layouts::{LAYOUTS, machine_has_its_own};
    use super::*;

    #[test]
    fn enabled_is_what_will_run() {
        if machine_has_its_own() {
            return;
        }
        for layout in LAYOUTS {
            let scratch = tempfile::tempdir().unwrap();
            layout.make(scratch.path());
            let found = CloudInit::on(&Root::new(scratch.path()));
            assert_eq!(found == CloudInit::Enabled, layout.provisions, "{}: {found:?}", layout.name);
            let is_installed =
                layout.files.iter().any(|(path, _)| path.ends_with("system/cloud-init-local.service"));
            assert_eq!(found != CloudInit::Absent, is_installed, "{}: {found:?}", layout.name);
        }
    }
}
