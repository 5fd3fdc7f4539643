//! The swap file: readable by root alone from its first byte, without holes, with a header of our own.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::unistd::{SysconfVar, sysconf};
use waagent_common::documents::{SwapFile, SwapState};
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::sys::extents;

use super::file_system::FileSystem;
use super::label;
use super::mounts;
use super::prepare::guid;
use super::wanted::Swap;

/// The file, below the mount point.
pub(crate) const NAME: &str = "swapfile";
/// What stays free beside it, at least, in bytes.
const MARGIN: u64 = 64 << 20;
const BLOCK: usize = 1 << 20;
const MAGIC: &[u8] = b"SWAPSPACE2";

/// Makes the file, or finds that it is there; whatever goes wrong costs the swap, not the disk.
pub(crate) fn make(mount_point: &Path, file_system: &str, wanted: Swap, is_selinux: bool) -> SwapFile {
    let path = mount_point.join(NAME);
    let (state, why) = match made(&path, file_system, wanted, is_selinux) {
        Ok(state) => (state, None),
        Err((state, why)) => (state, Some(why)),
    };
    if let Some(why) = why {
        log::warning(&format!("no swap: {why}, ignoring ResourceDisk.EnableSwap"));
    }
    SwapFile { state, path: path.display().to_string(), size_bytes: wanted.size }
}

fn made(
    path: &Path,
    file_system: &str,
    wanted: Swap,
    is_selinux: bool,
) -> Result<SwapState, (SwapState, String)> {
    if wanted.encrypted {
        let why =
            "ResourceDisk.EnableSwapEncryption=y isn't supported, and unencrypted isn't what was asked for";
        return Err((SwapState::EncryptionUnsupported, why.to_owned()));
    }
    let page = page_size();
    if wanted.size < 10 * page {
        let why = "ResourceDisk.EnableSwap=y needs a size in ResourceDisk.SwapSizeMB";
        return Err((SwapState::InvalidSize, why.to_owned()));
    }
    let failed = |fault: Fault| (SwapState::Failed, fault.text);
    match look(path, wanted.size).map_err(failed)? {
        Existing::InUse(size) => {
            if size != wanted.size {
                log::warning(&format!(
                    "'{}' is swapped on with {} MiB, using that until the next start",
                    path.display(),
                    size >> 20
                ));
            }
            return Ok(SwapState::InUse);
        }
        Existing::Good => return Ok(SwapState::Ready),
        Existing::Foreign(why) => return Err((SwapState::Untrusted, why)),
        Existing::Unfit => fs::remove_file(path).map_err(|e| failed(unwritable(path, &e)))?,
        Existing::None => {}
    }
    check_space(path, wanted.size)?;
    create(path, file_system, wanted.size, page, is_selinux).map_err(|fault| {
        // A file without header is no swap file; the next run would remove it as well.
        let _left_over = fs::remove_file(path);
        failed(fault)
    })?;
    log::info(&format!("made swap file '{}', {} MiB", path.display(), wanted.size >> 20));
    Ok(SwapState::Ready)
}

enum Existing {
    None,
    InUse(u64),
    Good,
    /// Ours, but of another size, mode or content.
    Unfit,
    /// Not ours.
    Foreign(String),
}

fn look(path: &Path, size: u64) -> Result<Existing, Fault> {
    let own = nix::unistd::geteuid().as_raw();
    // Another's file can't even be opened without the capability for it, so it is looked at from outside first.
    let is_ours = |meta: &fs::Metadata| meta.is_file() && meta.uid() == own && meta.nlink() == 1;
    let foreign =
        || Existing::Foreign(format!("'{}' is no regular file of root's alone; remove it", path.display()));
    match fs::symlink_metadata(path) {
        Ok(meta) if !is_ours(&meta) => return Ok(foreign()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Existing::None),
        Err(error) => return Err(unwritable(path, &error)),
    }
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|e| unwritable(path, &e))?;
    let meta = file.metadata().map_err(|e| unwritable(path, &e))?;
    if is_swapped_on(&meta)? {
        return Ok(Existing::InUse(meta.len()));
    }
    if !is_ours(&meta) {
        return Ok(foreign());
    }
    let is_private = meta.permissions().mode() & 0o7777 == 0o600;
    let is_whole = meta.len() == size
        && has_header(&file, size)
        && extents::is_solid(file.as_fd(), size).unwrap_or(false);
    Ok(if is_private && is_whole { Existing::Good } else { Existing::Unfit })
}

/// By device and inode: its path may be written differently.
fn is_swapped_on(meta: &fs::Metadata) -> Result<bool, Fault> {
    let is_it = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == (meta.dev(), meta.ino()))
    };
    Ok(mounts::swaps()?.iter().any(is_it))
}

fn check_space(path: &Path, size: u64) -> Result<(), (SwapState, String)> {
    let folder = path.parent().unwrap_or(path);
    let stat = nix::sys::statvfs::statvfs(folder)
        .map_err(|e| (SwapState::Failed, format!("cannot ask '{}' for its space: {e}", folder.display())))?;
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let total = stat.blocks().saturating_mul(stat.fragment_size());
    let needed = size.saturating_add(MARGIN.max(total / 20));
    if free < needed {
        let why = format!(
            "{} MiB with what must stay free need {} MiB, and '{}' has {} MiB free; set a smaller ResourceDisk.SwapSizeMB",
            size >> 20,
            needed >> 20,
            folder.display(),
            free >> 20
        );
        return Err((SwapState::TooLarge, why));
    }
    Ok(())
}

fn create(path: &Path, file_system: &str, size: u64, page: u64, is_selinux: bool) -> Result<(), Fault> {
    let failed = |e: std::io::Error| unwritable(path, &e);
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(failed)?;
    if is_selinux {
        label::set(file.as_fd(), label::SWAP_FILE)?;
    }
    let known = file_system.parse().ok();
    if known == Some(FileSystem::Btrfs) {
        extents::no_copy_on_write(file.as_fd()).map_err(failed)?;
    }
    // These accept extents that were never written (xfs since Linux 4.18); others have to be filled.
    let is_allocated = matches!(known, Some(FileSystem::Ext4 | FileSystem::Xfs | FileSystem::Btrfs))
        && allocate(&file, size).is_ok();
    if !is_allocated {
        fill(&mut file, size).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    if !extents::is_solid(file.as_fd(), size).map_err(failed)? {
        fill(&mut file, size).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        if !extents::is_solid(file.as_fd(), size).map_err(failed)? {
            return Err(Fault::io(format!(
                "'{}' has holes on this {file_system}, which swap can't use",
                path.display()
            )));
        }
    }
    // The header comes last: a file that has one is whole.
    write_header(&file, size, page)?;
    file.sync_all().map_err(failed)
}

fn allocate(file: &File, size: u64) -> nix::Result<()> {
    fallocate(file, FallocateFlags::empty(), 0, i64::try_from(size).unwrap_or(i64::MAX))
}

fn fill(file: &mut File, size: u64) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(0))?;
    let zeros = vec![0; BLOCK];
    let block = u64::try_from(BLOCK).unwrap_or(1 << 20);
    let mut left = size;
    while left > 0 {
        let now = left.min(block);
        file.write_all(zeros.get(..usize::try_from(now).unwrap_or(BLOCK)).unwrap_or(&zeros))?;
        left -= now;
    }
    Ok(())
}

/// `union swap_header` of the kernel's include/linux/swap.h, version 1.
fn write_header(file: &File, size: u64, page: u64) -> Result<(), Fault> {
    let failed = |e: std::io::Error| Fault::io(format!("cannot write the header of the swap file: {e}"));
    let last = u32::try_from(size / page - 1).map_err(|_| Fault::data("the swap file is too big"))?;
    let mut info = Vec::new();
    info.extend(1_u32.to_ne_bytes());
    info.extend(last.to_ne_bytes());
    info.extend(0_u32.to_ne_bytes());
    info.extend(guid()?);
    info.extend([0; 16]);
    file.write_all_at(&info, 1024).map_err(failed)?;
    file.write_all_at(MAGIC, page - 10).map_err(failed)
}

fn has_header(file: &File, size: u64) -> bool {
    let page = page_size();
    let (mut info, mut magic) = ([0; 12], [0; 10]);
    let read = file.read_exact_at(&mut info, 1024).and_then(|()| file.read_exact_at(&mut magic, page - 10));
    let last = u32::try_from(size / page).unwrap_or(u32::MAX).wrapping_sub(1);
    let expected = [1_u32.to_ne_bytes(), last.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
    read.is_ok() && magic == *MAGIC && info.as_slice() == expected
}

fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|page| u64::try_from(page).ok()).unwrap_or(4096)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::io(format!("cannot make '{}': {error}", path.display()))
}
