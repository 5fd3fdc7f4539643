//! A file system of ours that the kernel found errors in is repaired before it is mounted again.

use std::time::Duration;

use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::tool::Tool;

use super::blocks::Blocks;
use super::disk::Child;
use super::file_system::FileSystem;
use super::superblock;
use super::wanted::LABEL;

/// How long the check may take.
const LIMIT: Duration = Duration::from_secs(120);
/// `s_state` of an ext superblock, and its bit "errors detected" (Documentation/filesystems/ext4/super.rst).
const STATE: u64 = 1024 + 58;
const ERRORS: u8 = 2;
/// Statuses of e2fsck(8) up to this mean that all is well now.
const CORRECTED: i32 = 1;

/// Repairs what can be repaired without a question; otherwise says what is wrong. What others made isn't touched, and
/// other file systems than ext repair themselves when they are mounted.
pub(crate) fn check(
    partition: &impl Blocks,
    child: &Child,
    file_system: FileSystem,
) -> Result<Option<String>, Fault> {
    let is_ours = superblock::label(partition, file_system)?.as_deref() == Some(LABEL);
    if !is_ours
        || !file_system.is_ext()
        || partition.read(STATE, 1)?.first().is_none_or(|state| state & ERRORS == 0)
    {
        return Ok(None);
    }
    let node = child.node().display().to_string();
    let output = Tool::new("/usr/sbin/fsck.ext4").arg("-p").arg(&node).limit(LIMIT).output()?;
    if output.status.code().is_some_and(|code| code <= CORRECTED) {
        log::info(&format!(
            "repaired the file system on '{}', in which the kernel had found errors",
            child.name
        ));
        return Ok(None);
    }
    Ok(Some(format!(
        "the file system on '{}' has errors that can't be repaired without a decision ({}); run 'fsck.ext4 {node}', or \
         'blkdiscard -z' on the disk, which clears it, to have it formatted anew",
        child.name, output.status
    )))
}
