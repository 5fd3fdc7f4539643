//! A part of the work in a process of its own, which confines itself further than its parent may.

use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::fcntl::OFlag;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getpid, getppid, pipe2};

use crate::fault::Exit;

/// What is kept of what the child says, in bytes.
const MAX_SAID: u64 = 64 << 10;

/// How the child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; none where a signal ended it.
    pub status: Option<u8>,
    /// What it wrote on the pipe that its work was given, at most 64 KiB.
    pub said: Vec<u8>,
}

/// Does the work in a child, and waits for it. The work says something to its parent by the pipe, and returns the
/// exit status; its locks and descriptors are its parent's. It ends when its parent does.
///
/// An error where the process has a second thread: of that the child would have the locks and not the thread.
pub fn apart(work: impl FnOnce(File) -> u8) -> io::Result<Ended> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with several threads can't be doubled"));
    }
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    let own = getpid();
    // SAFETY: this is the process's only thread, so nothing that the child finds is half changed or locked for ever.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            let said = File::from(writer);
            let is_bound = set_pdeathsig(Signal::SIGKILL).is_ok() && getppid() == own;
            let works = AssertUnwindSafe(|| if is_bound { work(said) } else { Exit::Os.code() });
            // Nothing of what the parent would do next is done here, whatever becomes of the work.
            let status = catch_unwind(works).unwrap_or(Exit::Software.code());
            let _closed = io::stdout().flush();
            std::process::exit(status.into())
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut said = Vec::new();
            File::from(reader).take(MAX_SAID).read_to_end(&mut said)?;
            loop {
                match waitpid(child, None) {
                    Ok(WaitStatus::Exited(_, status)) => {
                        return Ok(Ended { status: u8::try_from(status).ok(), said });
                    }
                    Ok(WaitStatus::Signaled(..)) => return Ok(Ended { status: None, said }),
                    Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_several_threads_is_not_doubled() {
        // The test itself runs on a second thread.
        assert!(apart(|_| 0).unwrap_err().to_string().contains("several threads"));
    }
}
