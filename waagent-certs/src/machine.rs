//! The facts about this machine that the steps depend on.

use std::path::Path;

use jiff::Timestamp;
use waagent_common::config::{Config, SwitchKey};
use waagent_common::digest::sha256;
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::root::Root;

/// What is so about this machine now.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "the file is called machine-id")]
pub struct Machine {
    /// Digest of the configuration that this program uses.
    pub(crate) configuration: String,
    /// Digest of `/etc/machine-id`; none where it is missing.
    pub(crate) machine_id: Option<String>,
    /// Digest of the VM's SMBIOS UUID; none where it can't be read.
    pub(crate) vm_id: Option<String>,
    /// The kernel demands approved algorithms only.
    pub(crate) is_fips: bool,
    /// The time at the start of this run.
    pub(crate) now: Timestamp,
}

impl Machine {
    /// Looks.
    pub fn look(root: &Root, config: &Config) -> Result<Self, Fault> {
        let fips = fact(Path::new("/proc/sys/crypto/fips_enabled"))?;
        let is_fips = fips.as_deref() == Some("1");
        if config.switch(SwitchKey::OsEnableFips) != is_fips {
            let mode = if is_fips { "is" } else { "is not" };
            log::warning(&format!(
                "OS.EnableFIPS disagrees with the kernel, which {mode} in FIPS mode, using the kernel's"
            ));
        }
        Ok(Self {
            configuration: config.digest_for("waagent-certs"),
            machine_id: fact(&root.path("/etc/machine-id"))?.map(|id| sha256(id.as_bytes())),
            vm_id: fact(&root.path("/sys/class/dmi/id/product_uuid"))?.map(|id| sha256(id.as_bytes())),
            is_fips,
            now: Timestamp::now(),
        })
    }
}

/// The trimmed, lower-case text of a small file; none where it is missing, empty or closed to this user.
fn fact(path: &Path) -> Result<Option<String>, Fault> {
    match durable::read_bounded(path, LARGEST) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).trim().to_lowercase();
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
        // A kernel without the switch, an image without an id, a UUID that only root reads: known by being unknown.
        Err(fault) if matches!(fault.exit, Exit::NoInput | Exit::Io) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Bytes; sysfs says 4096 of each of its files.
const LARGEST: u64 = 4096;
