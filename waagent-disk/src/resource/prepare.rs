//! Writes a blank disk: table, wipe, file system; each step after the journal says that it comes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::tool::Tool;

use super::blocks::Blocks;
use super::decide::{BlankDisk, Layout};
use super::disk::{Child, Disk};
use super::file_system::{FileSystem, Maker};
use super::journal::{Journal, Phase};
use super::kernel;
use super::partition::{NewTable, Partition};
use super::superblock::{self, EDGE, Signatures};
use super::table::{self, ENTRIES, LINUX};
use super::wanted::LABEL;

/// How long making a file system may take.
const LIMIT: Duration = Duration::from_secs(300);
/// Random numbers, as text.
const UUID: &str = "/proc/sys/kernel/random/uuid";

/// A partition with a file system that was just made.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The partition.
    pub(crate) child: Child,
    /// UUID of its file system.
    pub(crate) uuid: Option<String>,
}

/// Is everything there that formatting takes? Asked before the first byte is written.
pub(crate) fn check(maker: &Maker) -> Result<(), Fault> {
    let missing = |text: String| Fault::new(Exit::Unavailable, text);
    if !Path::new(maker.program).exists() {
        return Err(missing(format!("'{}' isn't there; install {}", maker.program, maker.package)));
    }
    if kernel_knows(maker.file_system.as_wire()) {
        return Ok(());
    }
    Err(missing(format!(
        "this kernel has no {}; install its module, or set another ResourceDisk.Filesystem",
        maker.file_system
    )))
}

fn kernel_knows(file_system: &str) -> bool {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let is_loaded =
        text("/proc/filesystems").lines().any(|line| line.split_whitespace().last() == Some(file_system));
    let release = text("/proc/sys/kernel/osrelease");
    let module = format!("/{file_system}.ko");
    is_loaded || text(&format!("/lib/modules/{}/modules.dep", release.trim())).contains(&module)
}

/// Writes the disk. The kernel lets nobody else use it meanwhile, and udev leaves it alone.
pub(crate) fn prepare(
    root: &Root,
    sandbox: &Sandbox,
    disk: &Disk,
    blank: &BlankDisk,
    why: &str,
) -> Result<Prepared, Fault> {
    let maker = blank.maker();
    check(maker)?;
    disk.attempt.hold()?;
    let NewTable { writes, partition } = match blank.layout() {
        Layout::New => table::new(disk.size, disk.sector, random()?)?,
        Layout::Converted(entry) => NewTable { writes: converted(disk, entry)?, partition: entry.clone() },
    };
    let mut journal = Journal {
        phase: Phase::Partitioning,
        name: disk.name.clone(),
        vmbus_id: disk.vmbus_id.clone(),
        size_bytes: disk.size,
        start: partition.start,
        length: partition.length,
        file_system: maker.file_system,
        uuid: None,
    };
    journal.write(root, sandbox)?;
    write_table(disk, blank.layout(), &writes)?;
    let child = kernel::know(disk, &partition)?;
    wipe(&child)?;
    journal.phase = Phase::Formatting;
    journal.write(root, sandbox)?;
    let uuid = make(disk, &child, &partition, maker)?;
    journal.phase = Phase::Done;
    journal.uuid.clone_from(&uuid);
    journal.write(root, sandbox)?;
    log::info(&format!(
        "formatted '{}' as {}, {} MiB; {why}",
        child.name,
        maker.file_system,
        child.length >> 20
    ));
    Ok(Prepared { child, uuid })
}

/// The platform's table with another type for its one partition.
fn converted(disk: &Disk, entry: &Partition) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
    let mut mbr = disk.whole().read(0, 512)?;
    if disk.whole().read(disk.sector, 8)? == b"EFI PART" {
        // A GPT of ours: its one partition has the right type already.
        return Ok(Vec::new());
    }
    let at = usize::try_from(entry.number.saturating_sub(1)).unwrap_or(0) * 16 + ENTRIES + 4;
    if let Some(kind) = mbr.get_mut(at) {
        *kind = LINUX;
    }
    Ok(vec![(0, mbr)])
}

/// A new table goes on cleared ends: the platform's GPT leaves a second copy there.
fn write_table(disk: &Disk, layout: &Layout, writes: &[(u64, Vec<u8>)]) -> Result<(), Fault> {
    let file = alone(disk.open_alone(), &disk.name)?;
    if *layout == Layout::New {
        clear_ends(&file, disk.size, &disk.name)?;
    }
    for (offset, bytes) in writes {
        file.write_all_at(bytes, *offset).map_err(|e| unwritable(&disk.name, &e))?;
    }
    file.sync_all().map_err(|e| unwritable(&disk.name, &e))
}

/// Nothing of what was there before may be taken for a file system later.
fn wipe(child: &Child) -> Result<(), Fault> {
    let file = alone(child.open_alone(), &child.name)?;
    clear_ends(&file, child.length, &child.name)?;
    file.sync_all().map_err(|e| unwritable(&child.name, &e))
}

fn clear_ends(file: &File, size: u64, name: &str) -> Result<(), Fault> {
    let edge = size.min(EDGE);
    let zeros = vec![0; usize::try_from(edge).unwrap_or(0)];
    for offset in [size - edge, 0] {
        file.write_all_at(&zeros, offset).map_err(|e| unwritable(name, &e))?;
    }
    Ok(())
}

/// Runs mkfs, makes its work durable, and looks at it with our own eyes.
fn make(disk: &Disk, child: &Child, partition: &Partition, maker: &Maker) -> Result<Option<String>, Fault> {
    let label = if maker.file_system == FileSystem::Vfat { LABEL.to_uppercase() } else { LABEL.to_owned() };
    Tool::new(maker.program)
        .args(maker.options.iter().copied())
        .arg(maker.label)
        .arg(label)
        .arg(child.node().display().to_string())
        .limit(LIMIT)
        .run()?;
    let file = alone(child.open_alone(), &child.name)?;
    file.sync_all().map_err(|e| unwritable(&child.name, &e))?;
    let made = super::blocks::Region { file: &file, offset: 0, length: partition.length };
    let found = Signatures::read(&made)?;
    if !found.is_only(maker.file_system) {
        let text = format!("'{}' made {} on '{}'", maker.program, found.named(" and "), disk.name);
        return Err(Fault::new(Exit::Os, text));
    }
    superblock::uuid(&made, maker.file_system)
}

/// Four bytes and two GUIDs.
fn random() -> Result<[u8; 36], Fault> {
    let mut bytes = [0; 36];
    for chunk in bytes.chunks_mut(16) {
        for (slot, byte) in chunk.iter_mut().zip(guid()?) {
            *slot = byte;
        }
    }
    Ok(bytes)
}

/// A random UUID, from the kernel.
pub(crate) fn guid() -> Result<[u8; 16], Fault> {
    let unreadable = |why: String| Fault::new(Exit::Os, format!("cannot read '{UUID}': {why}"));
    let text = std::fs::read_to_string(UUID).map_err(|e| unreadable(e.to_string()))?;
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16).map(u128::to_be_bytes).map_err(|e| unreadable(e.to_string()))
}

fn alone(opened: Result<File, nix::errno::Errno>, name: &str) -> Result<File, Fault> {
    opened.map_err(|error| Fault::new(Exit::Os, format!("cannot open '{name}' for writing: {error}")))
}

fn unwritable(name: &str, error: &std::io::Error) -> Fault {
    Fault::io(format!("cannot write '{name}': {error}"))
}
