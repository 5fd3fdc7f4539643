//! One run of a program at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::fault::{Exit, Fault};
use crate::root::Root;

/// Held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

impl Lock {
    /// Takes `<run>/<folder>/lock`; exit 75 where another run holds it.
    pub fn take(root: &Root, folder: &str) -> Result<Self, Fault> {
        let path = root.runtime_path(folder).join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|error| {
                let hint = "; systemd-tmpfiles --create makes its folder";
                Fault::new(
                    Exit::CannotCreate,
                    format!("cannot open lock '{}': {error}{hint}", path.display()),
                )
            })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, Errno::EWOULDBLOCK)) => {
                let text = format!("another run of this program holds '{}'; wait for it", path.display());
                Err(Fault::new(Exit::TryAgain, text))
            }
            Err((_, error)) => Err(Fault::io(format!("cannot lock '{}': {error}", path.display()))),
        }
    }
}
