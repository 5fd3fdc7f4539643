//! A disk that is being changed is left alone by udev.

use std::fs::File;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use waagent_common::fault::{Exit, Fault};

/// For who looks at the disk just now: udev does after each change.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// Locks the whole disk until what is returned is dropped.
///
/// Without the lock udev has the kernel read the partition table anew whenever somebody who wrote closes the disk, and
/// all partitions are gone for a moment (<https://systemd.io/BLOCK_DEVICE_LOCKING>): to open one is `ENXIO` then.
pub(crate) fn hold(disk: &File, name: &str) -> Result<Flock<File>, Fault> {
    hold_within(disk, name, PATIENCE)
}

fn hold_within(disk: &File, name: &str, patience: Duration) -> Result<Flock<File>, Fault> {
    let refuse =
        |why: &str| Fault::new(Exit::Os, format!("cannot lock '{name}': {why}; nothing was written"));
    let mut file = disk.try_clone().map_err(|error| refuse(&error.to_string()))?;
    let deadline = Instant::now() + patience;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => return Ok(held),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = back,
            Err((_, Errno::EWOULDBLOCK)) => return Err(refuse("somebody else holds it (flock(2))")),
            Err((_, error)) => return Err(refuse(error.desc())),
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_who_looks_and_refuses_who_stays() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = hold(file.as_file(), "sdb").unwrap();
        let other = File::open(file.path()).unwrap();
        let refused = hold_within(&other, "sdb", Duration::from_millis(100)).unwrap_err();
        assert!(refused.to_string().contains("cannot lock 'sdb': somebody else holds it"), "{refused}");
        let waiting = std::thread::spawn(move || hold(&other, "sdb").map(drop));
        drop(held);
        waiting.join().unwrap().unwrap();
    }
}
