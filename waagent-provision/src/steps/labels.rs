//! Step `labels`: SELinux labels of all that was made.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use waagent_common::tool::Tool;

use crate::pass::{Pass, StepOutcome};

/// SELinux labels of what was made, by the machine's own table. Where SELinux is off there are none.
pub(crate) fn restore(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    if !pass.root.is_live() || !Path::new("/sys/fs/selinux/enforce").exists() {
        return Ok(StepOutcome::Skipped("SELinux is off".to_owned()));
    }
    if pass.touched.is_empty() {
        return Ok(StepOutcome::Unchanged("nothing was made".to_owned()));
    }
    if !Path::new(RESTORECON).exists() {
        pass.warn(format!("no '{RESTORECON}': labels stay as they were made, ignoring"));
        return Ok(StepOutcome::Skipped("no restorecon".to_owned()));
    }
    let paths: Vec<String> = pass.touched.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let count = paths.len();
    // Recursion is for the new home alone, which holds the skeleton's files.
    Tool::new(RESTORECON).args(["-F", "-R", "--"]).args(paths).limit(Duration::from_secs(30)).run()?;
    Ok(StepOutcome::Done(format!("restored labels of {count} files")))
}

const RESTORECON: &str = "/usr/sbin/restorecon";
