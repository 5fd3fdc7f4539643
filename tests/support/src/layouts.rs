//! Layouts of cloud-init below a root, and whether it provisions there: the tests of each program that asks walk through
//! them, and must come to one answer.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What a machine's files are, and what they mean.
pub struct Layout {
    pub name: &'static str,
    /// A path and what it holds: `-> target` for a link.
    pub files: &'static [(&'static str, &'static str)],
    pub provisions: bool,
}

const LOCAL: (&str, &str) = ("etc/systemd/system/cloud-init-local.service", UNIT);
const MAIN: (&str, &str) = ("etc/systemd/system/cloud-init-main.service", UNIT);
const UNIT: &str = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=cloud-init.target\n";
const FOUND: (&str, &str) = ("run/cloud-init/enabled", "");
const PULLED: (&str, &str) = (
    "run/systemd/generator.early/multi-user.target.wants/cloud-init.target",
    "-> /usr/lib/systemd/system/cloud-init.target",
);
const WANTED: (&str, &str) = (
    "etc/systemd/system/cloud-init.target.wants/cloud-init-local.service",
    "-> /etc/systemd/system/cloud-init-local.service",
);
const NULL: &str = "-> /dev/null";

/// Every switch by itself, in both positions.
pub const LAYOUTS: &[Layout] = &[
    layout("not installed", &[], false),
    layout("not installed, but its generator's word is there", &[FOUND], false),
    layout("enabled", &[LOCAL, FOUND, PULLED, WANTED], true),
    layout("enabled, the generator's word alone", &[LOCAL, FOUND, WANTED], true),
    layout("enabled, the generator's link alone", &[LOCAL, PULLED, WANTED], true),
    layout("its services are disabled", &[LOCAL, FOUND, PULLED], false),
    layout("its generator found nothing to do", &[LOCAL, WANTED], false),
    layout("its generator said no", &[LOCAL, PULLED, WANTED, ("run/cloud-init/disabled", "")], false),
    layout(
        "the administrator's switch, later than the generator",
        &[LOCAL, FOUND, PULLED, WANTED, ("etc/cloud/cloud-init.disabled", "")],
        false,
    ),
    layout("masked", &[("etc/systemd/system/cloud-init-local.service", NULL), FOUND, PULLED, WANTED], false),
    layout(
        "masked by an empty file",
        &[("etc/systemd/system/cloud-init-local.service", ""), FOUND, PULLED, WANTED],
        false,
    ),
    layout(
        "masked until the next boot, where that has no say",
        &[LOCAL, ("run/systemd/system/cloud-init-local.service", NULL), FOUND, PULLED, WANTED],
        true,
    ),
    layout(
        "masked on the kernel's command line",
        &[LOCAL, ("run/systemd/generator.early/cloud-init-local.service", NULL), FOUND, PULLED, WANTED],
        false,
    ),
    layout(
        "its one process is masked",
        &[LOCAL, ("etc/systemd/system/cloud-init-main.service", NULL), FOUND, PULLED, WANTED],
        false,
    ),
    layout(
        "its target is masked",
        &[LOCAL, ("etc/systemd/system/cloud-init.target", NULL), FOUND, PULLED, WANTED],
        false,
    ),
    layout(
        "its one process is what is enabled",
        &[
            LOCAL,
            MAIN,
            FOUND,
            ("etc/systemd/system/cloud-init.target.wants/cloud-init-main.service", NOWHERE),
        ],
        true,
    ),
    layout(
        "required, until the next boot",
        &[LOCAL, FOUND, ("run/systemd/system/multi-user.target.requires/cloud-init-local.service", NOWHERE)],
        true,
    ),
    layout(
        "upheld",
        &[LOCAL, FOUND, ("etc/systemd/system/multi-user.target.upholds/cloud-init-local.service", NOWHERE)],
        true,
    ),
    layout(
        "a stage that waits for the others is enabled",
        &[LOCAL, FOUND, ("etc/systemd/system/cloud-init.target.wants/cloud-final.service", NOWHERE)],
        false,
    ),
    layout(
        "a link of its name elsewhere",
        &[LOCAL, FOUND, ("etc/systemd/system/cloud-init.target.d/cloud-init-local.service", NOWHERE)],
        false,
    ),
];
const NOWHERE: &str = "-> ../cloud-init.service";

const fn layout(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    provisions: bool,
) -> Layout {
    Layout { name, files, provisions }
}

impl Layout {
    /// Lays it out below this root.
    pub fn make(&self, root: &Path) {
        for (path, content) in self.files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("-> ") {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, content).unwrap(),
            }
        }
    }
}

/// Below a scratch root `/usr` and `/proc/cmdline` are the machine's own: one that has cloud-init itself shows nothing.
pub fn machine_has_its_own() -> bool {
    let units = ["usr/lib/systemd/system", "lib/systemd/system"];
    let has =
        units.iter().any(|folder| Path::new("/").join(folder).join("cloud-init-local.service").exists());
    if has {
        let _lost = std::io::stderr().write_all(b"SKIPPED: this machine has a cloud-init of its own\n");
    }
    has
}
