//! `/var/lib/waagent` itself: cloud-init makes it 0700, and then none of our users gets in.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use anyhow::{Context, Result};
use waagent_common::root::Root;
use waagent_common::users::gid_of;

/// Repairs owner and mode; says whether that was necessary.
pub fn repair(root: &Root) -> Result<bool> {
    let path = root.state_path("");
    let Some(gid) = gid_of(root, "waagent") else { return Ok(false) };
    let meta = fs::metadata(&path).with_context(|| format!("cannot look at '{}'", path.display()))?;
    if (meta.uid(), meta.gid(), meta.mode() & 0o7777) == (0, gid, 0o710) {
        return Ok(false);
    }
    let failed = || format!("cannot repair '{}'", path.display());
    chown(&path, Some(0), Some(gid)).with_context(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o710)).with_context(failed)?;
    Ok(true)
}
