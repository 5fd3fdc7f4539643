//! Mounts and swap: what PID 1's static units do, from the disk program's document.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use waagent_common::documents::{Document, ResourceDisk};
use waagent_common::root::Root;
use waagent_common::sys::swap::swap_on;

/// Words of fstab(5) that are flags of mount(2); all others are the file system's affair.
const FLAGS: &[(&str, MsFlags)] = &[
    ("noatime", MsFlags::MS_NOATIME),
    ("nodev", MsFlags::MS_NODEV),
    ("nodiratime", MsFlags::MS_NODIRATIME),
    ("noexec", MsFlags::MS_NOEXEC),
    ("nosuid", MsFlags::MS_NOSUID),
    ("relatime", MsFlags::MS_RELATIME),
    ("ro", MsFlags::MS_RDONLY),
];
/// Words without a meaning for mount(2).
const EMPTY: &[&str] = &["auto", "defaults", "noauto", "nofail", "rw"];

/// Mounts the prepared partition where its document says, unless it is there already.
pub fn resource_disk() -> Result<String> {
    let disk = document()?;
    let (Some(partition), Some(at), Some(kind)) = (&disk.partition, &disk.mount_point, &disk.filesystem)
    else {
        bail!("disk/resource.json names no partition to mount");
    };
    if is_mounted(at)? {
        return Ok(format!("'{at}' is mounted already"));
    }
    fs::create_dir_all(at).with_context(|| format!("cannot make '{at}'"))?;
    let (flags, data) = options(disk.mount_options.as_deref().unwrap_or_default());
    mount(Some(partition.node.as_str()), at.as_str(), Some(kind.as_str()), flags, Some(data.as_str()))
        .with_context(|| format!("cannot mount '{}' at '{at}'", partition.node))?;
    Ok(format!("mounted '{}' ({kind}) at '{at}'", partition.node))
}

/// Swaps on the file that the document names.
pub fn swap() -> Result<String> {
    let disk = document()?;
    let Some(swap) = &disk.swap else { bail!("disk/resource.json names no swap file") };
    swap_on(Path::new(&swap.path)).with_context(|| format!("cannot swap on '{}'", swap.path))?;
    Ok(format!("swapped on '{}', {} MiB", swap.path, swap.size_bytes >> 20))
}

fn document() -> Result<ResourceDisk> {
    Ok(Document::<ResourceDisk>::read(&Root::new(Path::new("/")))?.body)
}

fn is_mounted(at: &str) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(at)))
}

/// Options as fstab(5) has them, sorted into flags and the rest.
fn options(text: &str) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for word in text.split(',').filter(|word| !word.is_empty() && !EMPTY.contains(word)) {
        match FLAGS.iter().find(|(name, _)| *name == word) {
            Some((_, flag)) => flags |= *flag,
            None => data.push(word),
        }
    }
    (flags, data.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_flags_from_data() {
        let (flags, data) = options("defaults,nosuid,compress=lzo,noexec");
        assert_eq!(flags, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC);
        assert_eq!(data, "compress=lzo");
    }
}
