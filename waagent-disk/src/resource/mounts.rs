//! What is mounted and swapped on, by device number: names may be anything.

use std::fs;
use std::path::{Path, PathBuf};

use waagent_common::fault::{Exit, Fault};

use super::disk::Number;

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its device; btrfs has one of its own, so the source's counts where there is one.
    pub(crate) number: Number,
    /// Where.
    pub(crate) point: PathBuf,
    /// What was mounted, in the words of who did it.
    pub(crate) source: String,
    /// File system.
    pub(crate) file_system: String,
}

/// All mounts of this namespace (proc_pid_mountinfo(5)).
pub(crate) fn all() -> Result<Vec<Mount>, Fault> {
    let text = read("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(mount).collect())
}

/// What is mounted there, uppermost.
pub(crate) fn at<'a>(mounts: &'a [Mount], point: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (number, _root, point) = (Number::parse(left.next()?)?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (file_system, source) = (right.next()?.to_owned(), unescape(right.next()?));
    // The words of a mount may be anybody's: only a device is looked at.
    let node = Some(&source).filter(|source| number.major == 0 && source.starts_with("/dev/"));
    let by_source = node.and_then(|node| fs::metadata(node).ok()).and_then(|meta| Number::of(&meta));
    Some(Mount { number: by_source.unwrap_or(number), point: unescape(point).into(), source, file_system })
}

/// Files and devices that are swapped on.
pub(crate) fn swaps() -> Result<Vec<PathBuf>, Fault> {
    let text = read("/proc/swaps")?;
    Ok(text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(|path| unescape(path).into())
        .collect())
}

fn read(path: &str) -> Result<String, Fault> {
    fs::read_to_string(path).map_err(|error| Fault::new(Exit::Os, format!("cannot read '{path}': {error}")))
}

/// `\040` is a space (getmntent(3)).
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let octal =
            tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn reads_a_mount_with_optional_fields_and_spaces() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 shared:7 - ext3 /dev/root\134x rw,errors=continue";
        let mount = mount(line).unwrap();
        assert_eq!(
            (mount.number, mount.point.as_path()),
            (Number { major: 98, minor: 0 }, Path::new("/mnt 2"))
        );
        assert_eq!((mount.file_system.as_str(), mount.source.as_str()), ("ext3", r"/dev/root\x"));
    }

    /// Some block device of this machine, with its number.
    pub(crate) fn some_device() -> (String, Number) {
        let mut nodes = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap().path());
        nodes
            .find_map(|node| {
                Some((node.to_str()?.to_owned(), Number::of(&fs::symlink_metadata(&node).ok()?)?))
            })
            .expect("a block device in /dev")
    }

    #[test]
    fn a_source_outside_of_dev_is_a_word_and_no_device() {
        let (node, its_number) = some_device();
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("disk");
        std::os::unix::fs::symlink(&node, &link).unwrap();
        let number =
            |source: &str| mount(&format!("36 35 0:44 / /mnt rw - btrfs {source} rw")).unwrap().number;
        assert_eq!(number(&node), its_number);
        assert_eq!(number(link.to_str().unwrap()), Number { major: 0, minor: 44 });
    }
}
