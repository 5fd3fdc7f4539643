//! The state that a handler's command finds itself in: no descriptor, ignored signal or limit of whoever started us.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd;
use waagent_common::sys::signals;

/// Open files: soft and hard limit of systemd's services (`DefaultLimitNOFILE=`, systemd-system.conf(5)).
const OPEN_FILES: (u64, u64) = (1024, 524_288);

/// Cleans this process, before it opens anything.
pub fn clean() -> Result<()> {
    close_inherited()?;
    signals::restore_defaults();
    SigSet::empty().thread_set_mask().context("cannot unblock signals")?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    let hard = OPEN_FILES.1.min(most);
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.0.min(hard), hard).context("cannot limit open files")
}

/// Closes every descriptor but the three standard ones.
fn close_inherited() -> Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").context("cannot list '/proc/self/fd'")? {
        let name = entry.context("cannot list '/proc/self/fd'")?.file_name();
        if let Some(fd) = name.to_str().and_then(|name| name.parse::<i32>().ok()) {
            open.push(fd);
        }
    }
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The descriptor of the listing itself is among them, and closed by now.
        let _closed_before = unistd::close(fd);
    }
    Ok(())
}
