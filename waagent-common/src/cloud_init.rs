//! Is cloud-init at work on this machine? Found from its files, by nobody's answer.

use std::path::Path;

use crate::durable::read_bounded;
use crate::place::Place;

/// Where units are, in the order in which systemd looks.
const UNIT_FOLDERS: &[&str] =
    &["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const UNIT: &str = "cloud-init-local.service";

/// What there is of cloud-init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudInit {
    /// Not installed.
    Absent,
    /// Installed, and told not to run.
    Disabled,
    /// It runs, or has run, in this boot.
    Enabled,
}

impl CloudInit {
    /// Looks: units, the switches that an administrator has, then what its generator left in this boot.
    pub fn on(place: &Place) -> Self {
        let exists = |path: &str| place.path(path).exists();
        let units: Vec<_> = UNIT_FOLDERS.iter().map(|folder| place.path(folder).join(UNIT)).collect();
        let Some(unit) = units.iter().find(|path| path.is_symlink() || path.exists()) else {
            return Self::Absent;
        };
        let masked = std::fs::read_link(unit).is_ok_and(|target| target == Path::new("/dev/null"));
        if masked || exists("/etc/cloud/cloud-init.disabled") || is_switched_off(place) {
            return Self::Disabled;
        }
        if exists("/run/cloud-init/disabled") {
            return Self::Disabled;
        }
        let is_wanted = exists("/run/systemd/generator.early/multi-user.target.wants/cloud-init.target")
            || UNIT_FOLDERS.iter().any(|folder| is_wanted_in(&place.path(folder)));
        if exists("/run/cloud-init/enabled") || is_wanted { Self::Enabled } else { Self::Disabled }
    }
}

fn is_switched_off(place: &Place) -> bool {
    // A kernel line that can't be read switches nothing off.
    let line = read_bounded(&place.path("/proc/cmdline"), 64 << 10).unwrap_or_default();
    String::from_utf8_lossy(&line).split_whitespace().any(|word| word == "cloud-init=disabled")
}

fn is_wanted_in(units: &Path) -> bool {
    let Ok(folders) = std::fs::read_dir(units) else { return false };
    let wants = folders.flatten().map(|entry| entry.path());
    wants
        .filter(|path| path.extension().is_some_and(|extension| extension == "wants"))
        .any(|path| path.join(UNIT).is_symlink())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn follows_the_switches_of_the_administrator() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let make = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        if UNIT_FOLDERS.iter().any(|folder| Path::new(folder).join(UNIT).exists()) {
            return; // this machine's own cloud-init is seen below every root
        }
        assert_eq!(CloudInit::on(&place), CloudInit::Absent);
        make("etc/systemd/system/cloud-init-local.service");
        assert_eq!(CloudInit::on(&place), CloudInit::Disabled);
        make("run/cloud-init/enabled");
        assert_eq!(CloudInit::on(&place), CloudInit::Enabled);
        make("etc/cloud/cloud-init.disabled");
        assert_eq!(CloudInit::on(&place), CloudInit::Disabled);
    }
}
