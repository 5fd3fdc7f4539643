//! An open disk, and what the kernel says of it.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor};
use waagent_common::documents::{DiskDevice, DiskPartition};
use waagent_common::fault::{Exit, Fault};
use waagent_common::sys::partition;

use super::attempt::{Attempt, Need};
use super::blocks::Region;

/// Where the kernel shows devices by number.
const BY_NUMBER: &str = "/sys/dev/block";

/// Number of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    /// First half.
    pub(crate) major: u64,
    /// Second half.
    pub(crate) minor: u64,
}

impl Number {
    /// From `8:16`, as sysfs and mountinfo write it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// Of an open device, or of a node.
    pub(crate) fn of(meta: &fs::Metadata) -> Option<Self> {
        let is_block = meta.file_type().is_block_device();
        is_block.then(|| Self { major: major(meta.rdev()), minor: minor(meta.rdev()) })
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A whole disk, open for reading.
#[derive(Debug)]
pub struct Disk {
    /// The kernel's name, `sdb`.
    pub(crate) name: String,
    /// Its device node.
    pub(crate) node: PathBuf,
    /// Its number.
    pub(crate) number: Number,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Bytes in a sector.
    pub(crate) sector: u64,
    /// The vmbus channel that it was found on.
    pub(crate) vmbus_id: Option<String>,
    /// Its LUN there.
    pub(crate) lun: Option<u64>,
    /// How it was found.
    pub(crate) found_by: String,
    /// Open for reading.
    pub(crate) file: File,
    /// What this process may open of it.
    pub attempt: Attempt,
    sys: PathBuf,
}

/// A partition that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Child {
    /// The kernel's name, `sdb1`.
    pub(crate) name: String,
    /// Its number.
    pub(crate) number: Number,
    /// Where it begins, in bytes.
    pub(crate) start: u64,
    /// How long it is, in bytes.
    pub(crate) length: u64,
    /// Its number in the table.
    pub(crate) partition: u32,
}

impl Disk {
    /// Opens the node and asks the kernel about it. `file` was opened by who named the node, if anybody did.
    pub(crate) fn open(node: &Path, file: Option<File>, found_by: &str) -> Result<Self, Fault> {
        let refuse = |exit, why: String| Fault::new(exit, format!("cannot use '{}': {why}", node.display()));
        let file = match file {
            Some(file) => file,
            None => OpenOptions::new()
                .read(true)
                .custom_flags((OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
                .open(node)
                .map_err(|e| refuse(Exit::NoInput, e.to_string()))?,
        };
        let meta = file.metadata().map_err(|e| refuse(Exit::Io, e.to_string()))?;
        let number =
            Number::of(&meta).ok_or_else(|| refuse(Exit::Usage, "it is no block device".to_owned()))?;
        let sys = fs::canonicalize(Path::new(BY_NUMBER).join(number.to_string()))
            .map_err(|e| refuse(Exit::Os, format!("the kernel doesn't show it: {e}")))?;
        if sys.join("partition").exists() {
            return Err(refuse(Exit::Usage, "it is a partition, not a disk".to_owned()));
        }
        let name = sys.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sector = integer(&sys.join("queue/logical_block_size")).unwrap_or(512);
        if !matches!(sector, 512 | 1024 | 2048 | 4096) {
            return Err(refuse(Exit::Os, format!("sectors of {sector} bytes")));
        }
        // Counted in 512 bytes whatever the sectors are (Documentation/ABI/stable/sysfs-block).
        let size = integer(&sys.join("size")).unwrap_or(0).saturating_mul(512);
        Ok(Self {
            name,
            node: node.to_path_buf(),
            number,
            size,
            sector,
            vmbus_id: None,
            lun: None,
            found_by: found_by.to_owned(),
            file,
            attempt: Attempt::default(),
            sys,
        })
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Region<'_> {
        self.region(0, self.size)
    }

    /// A part of it.
    pub(crate) fn region(&self, offset: u64, length: u64) -> Region<'_> {
        Region { file: &self.file, offset, length }
    }

    /// Is it write-protected?
    pub(crate) fn is_read_only(&self) -> bool {
        integer(&self.sys.join("ro")) == Some(1)
    }

    /// The partitions that the kernel knows, whatever their names are.
    pub(crate) fn children(&self) -> Vec<Child> {
        children(&self.sys)
    }

    /// Device mapper, md and others that sit on the disk or a partition.
    pub(crate) fn holders(&self) -> Vec<String> {
        let mut folders = vec![self.sys.join("holders")];
        folders.extend(self.children().iter().map(|child| self.sys.join(&child.name).join("holders")));
        let mut holders: Vec<String> = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flat_map(|entries| {
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned())
            })
            .collect();
        holders.sort();
        holders
    }

    /// Opens it for writing and for nobody else: the kernel refuses while it is mounted, swapped on or held.
    pub(crate) fn open_alone(&self) -> Result<File, Errno> {
        alone(&[&Path::new("/dev").join(&self.name), &self.node], self.number, true)
    }

    /// Could it be opened so? Asked for reading, since udev looks anew at what was open for writing.
    pub(crate) fn try_alone(&self) -> Result<(), Errno> {
        alone(&[&Path::new("/dev").join(&self.name), &self.node], self.number, false).map(|_| ())
    }

    /// Has the next reads come from the disk itself. The kernel caches a disk apart from its partitions, and keeps what
    /// it has as long as anybody has the device open: what was blank before a partition was written would be blank still.
    pub(crate) fn forget_cached(&self) -> Result<(), Fault> {
        let failed = |error: std::io::Error| {
            Fault::io(format!("cannot make the kernel read '{}' anew: {error}", self.name))
        };
        for child in self.children() {
            match File::open(child.node()) {
                Ok(file) => partition::forget(file.as_fd()).map_err(failed)?,
                // It is another node than this process was given: somebody had the kernel read the table again.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    self.attempt.ask(Need::Nodes);
                    return Err(failed(error));
                }
                // Without a node nobody has written through it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        partition::forget(self.file.as_fd()).map_err(failed)
    }

    /// For the document.
    pub fn describe(&self) -> DiskDevice {
        DiskDevice {
            name: self.name.clone(),
            major: self.number.major,
            minor: self.number.minor,
            vmbus_id: self.vmbus_id.clone(),
            lun: self.lun,
            size_bytes: self.size,
        }
    }
}

impl Child {
    /// Its device node.
    pub(crate) fn node(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Opens it for writing and for nobody else.
    pub(crate) fn open_alone(&self) -> Result<File, Errno> {
        alone(&[&self.node()], self.number, true)
    }

    /// Could it be opened so?
    pub(crate) fn try_alone(&self) -> Result<(), Errno> {
        alone(&[&self.node()], self.number, false).map(|_| ())
    }

    /// For the document.
    pub(crate) fn describe(&self) -> DiskPartition {
        DiskPartition {
            node: self.node().display().to_string(),
            major: self.number.major,
            minor: self.number.minor,
            size_bytes: self.length,
        }
    }
}

/// The kernel's own name of the node first; another one only if that isn't it.
fn alone(nodes: &[&Path], number: Number, write: bool) -> Result<File, Errno> {
    let mut result = Err(Errno::ENODEV);
    for node in nodes {
        let flags = OFlag::O_EXCL | OFlag::O_CLOEXEC;
        match OpenOptions::new().read(true).write(write).custom_flags(flags.bits()).open(node) {
            Ok(file) if file.metadata().ok().and_then(|meta| Number::of(&meta)) == Some(number) => {
                return Ok(file);
            }
            Ok(_) => {}
            Err(error) => result = Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
        }
    }
    result
}

/// Device nodes of the disk of this number and of its partitions, as far as they are there.
pub(crate) fn nodes(number: Number) -> Vec<PathBuf> {
    let Ok(sys) = fs::canonicalize(Path::new(BY_NUMBER).join(number.to_string())) else { return Vec::new() };
    let own = sys.file_name().map(|name| (Path::new("/dev").join(name), number));
    let parts = children(&sys).into_iter().map(|child| (child.node(), child.number));
    let is_it = |(node, number): &(PathBuf, Number)| {
        fs::metadata(node).ok().and_then(|meta| Number::of(&meta)) == Some(*number)
    };
    own.into_iter().chain(parts).filter(is_it).map(|(node, _)| node).collect()
}

fn children(sys: &Path) -> Vec<Child> {
    let entries = fs::read_dir(sys).map_or_else(|_| Vec::new(), |entries| entries.flatten().collect());
    let mut children: Vec<Child> = entries.iter().filter_map(|entry| child(&entry.path())).collect();
    children.sort_by_key(|child| child.partition);
    children
}

fn child(sys: &Path) -> Option<Child> {
    Some(Child {
        partition: u32::try_from(integer(&sys.join("partition"))?).ok()?,
        name: sys.file_name()?.to_str()?.to_owned(),
        number: Number::parse(&fs::read_to_string(sys.join("dev")).ok()?)?,
        start: integer(&sys.join("start"))?.checked_mul(512)?,
        length: integer(&sys.join("size"))?.checked_mul(512)?,
    })
}

fn integer(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
