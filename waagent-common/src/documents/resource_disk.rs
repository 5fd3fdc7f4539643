//! The resource disk's state, and the orders of its mount.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::words;

/// What was found and done about the temporary disk.
///
/// Written by waagent-disk; read by people, and by who plays PID 1 where systemd isn't: with the flag
/// `<run>/disk/mount` it mounts `partition.node` (file system `filesystem`, options `mount_options`) at `mount_point`,
/// then starts `waagent-disk resource --mounted`. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceDisk {
    /// What it came to.
    pub state: DiskState,
    /// Why, in a sentence for people.
    pub reason: String,
    /// Which half of the work this is the result of.
    pub phase: DiskPhase,
    /// The disk.
    pub device: Option<DiskDevice>,
    /// What the decision was made from.
    pub evidence: Vec<String>,
    /// The partition that is, or is to be, mounted.
    pub partition: Option<DiskPartition>,
    /// File system of that partition.
    pub filesystem: Option<String>,
    /// UUID of that file system.
    pub uuid: Option<String>,
    /// Where it is, or is to be, mounted.
    pub mount_point: Option<String>,
    /// Text for `mount -o`; none: no options.
    pub mount_options: Option<String>,
    /// Who looks after the disk instead of us.
    pub managed_by: Option<String>,
    /// The swap file; none where none is asked for.
    pub swap: Option<SwapFile>,
    /// Local NVMe disks, which are left alone.
    pub nvme_local: Vec<NvmeDisk>,
    /// Timeouts of SCSI disks.
    pub scsi_timeout: Option<ScsiTimeout>,
    /// What was got over.
    pub warnings: Vec<DiskWarning>,
}

words! {
    /// What it came to.
    pub enum DiskState {
        /// This size of machine has none.
        Absent = "absent",
        /// Somebody else looks after it, or nobody is to.
        ManagedBy = "managed-by",
        /// It is ready, and PID 1 is asked to mount it.
        Prepared = "prepared",
        /// It is mounted.
        Mounted = "mounted",
        /// It may hold data: left alone.
        Foreign = "foreign",
        /// In use: left alone.
        Busy = "busy",
        /// Its file system is ours, and broken.
        Damaged = "damaged",
        /// There are files where it would be mounted.
        MountPointNotEmpty = "mount-point-not-empty",
        /// The program that makes the file system isn't installed.
        ToolMissing = "tool-missing",
        /// Something went wrong.
        Failed = "failed",
    }
}

words! {
    /// Which half of the work.
    pub enum DiskPhase {
        /// Before PID 1 mounts.
        Prepared = "prepared",
        /// After it.
        Mounted = "mounted",
    }
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskDevice {
    /// The kernel's name, `sdb`.
    pub name: String,
    /// Device number, first half.
    pub major: u64,
    /// Device number, second half.
    pub minor: u64,
    /// The vmbus channel that it hangs on; none for `--device`.
    pub vmbus_id: Option<String>,
    /// Its LUN there.
    pub lun: Option<u64>,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskPartition {
    /// Its device node, `/dev/sdb1`.
    pub node: String,
    /// Device number, first half.
    pub major: u64,
    /// Device number, second half.
    pub minor: u64,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// The swap file on the resource disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapFile {
    /// What became of it.
    pub state: SwapState,
    /// The file.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

words! {
    /// What became of the swap file.
    pub enum SwapState {
        /// It is there; PID 1 may swap on.
        Ready = "ready",
        /// It is swapped on.
        InUse = "in-use",
        /// There is no room for it.
        TooLarge = "too-large",
        /// Something that isn't ours is in its place.
        Untrusted = "untrusted",
        /// Encryption was asked for.
        EncryptionUnsupported = "encryption-unsupported",
        /// No size was asked for, or none that can be swapped on.
        InvalidSize = "invalid-size",
        /// It couldn't be made.
        Failed = "failed",
    }
}

/// A local NVMe disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NvmeDisk {
    /// The kernel's name, `nvme1n1`.
    pub name: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// Timeouts of SCSI disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScsiTimeout {
    /// Seconds, as configured.
    pub value: u64,
    /// Each disk and its timeout.
    pub disks: Vec<DiskTimeout>,
}

/// Timeout of one disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskTimeout {
    /// The kernel's name.
    pub name: String,
    /// Seconds in force.
    pub seconds: u64,
}

/// What was got over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskWarning {
    /// Short and stable.
    pub code: String,
    /// Sentence for people.
    pub text: String,
    /// Remedy.
    pub what_to_do: String,
}

impl Body for ResourceDisk {
    const NAME: &'static str = "resource-disk";
    const PATH: &'static str = "/var/lib/waagent/disk/resource.json";
    const PROGRAM: &'static str = "waagent-disk";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 256 << 10;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("reason", &mut self.reason, 2048);
        bounds.list("evidence", &mut self.evidence, 64);
        bounds.texts("evidence[]", &mut self.evidence, 512);
        if let Some(partition) = &mut self.partition {
            bounds.text("partition.node", &mut partition.node, 256);
        }
        bounds.texts("filesystem", &mut self.filesystem, 16);
        bounds.texts("uuid", &mut self.uuid, 64);
        bounds.texts("mount_point", &mut self.mount_point, 4096);
        bounds.texts("mount_options", &mut self.mount_options, 4096);
        bounds.texts("managed_by", &mut self.managed_by, 256);
        if let Some(swap) = &mut self.swap {
            bounds.text("swap.path", &mut swap.path, 4096);
        }
        bounds.list("nvme_local", &mut self.nvme_local, 64);
        for disk in &mut self.nvme_local {
            bounds.text("nvme_local[].name", &mut disk.name, 64);
            bounds.text("nvme_local[].model", &mut disk.model, 256);
            bounds.text("nvme_local[].serial", &mut disk.serial, 256);
        }
        if let Some(scsi) = &mut self.scsi_timeout {
            bounds.list("scsi_timeout.disks", &mut scsi.disks, 256);
            for disk in &mut scsi.disks {
                bounds.text("scsi_timeout.disks[].name", &mut disk.name, 64);
            }
        }
        bounds.list("warnings", &mut self.warnings, 64);
        for warning in &mut self.warnings {
            bounds.text("warnings[].code", &mut warning.code, 64);
            bounds.text("warnings[].text", &mut warning.text, 2048);
            bounds.text("warnings[].what_to_do", &mut warning.what_to_do, 1024);
        }
    }
}
