//! All that is read from the disk, and all that follows from it, happens in a child that may open this disk and no other.
//!
//! Nodes appear meanwhile: a new partition's, or all of them when somebody has the kernel read the table again. A process
//! can't be given more than it has. So it ends, and the next begins anew, as after a kill, with the nodes that are there
//! by then.

use std::fs::File;
use std::io::ErrorKind;

use anyhow::Result;
use nix::fcntl::Flock;
use waagent_common::args::Common;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::program;
use waagent_common::sandbox::{Confine, Sandbox};
use waagent_common::sys::confined_child::apart;
use waagent_declaration::Policy;

use super::attempt::{Attempt, Need};
use super::find::Target;
use super::udev_lock::hold;

/// One decides, one makes the partition, one makes the file system; and others meddle.
const ROUNDS: usize = 6;

/// Does the work in children, until one is done.
pub fn attempts(
    policy: &Policy,
    args: &Common,
    sandbox: &Sandbox,
    target: &Target,
    work: impl Fn(Attempt, &Sandbox) -> Result<Outcome>,
) -> Result<Outcome> {
    let failed =
        |why: String| Fault::new(Exit::Os, format!("cannot look at '{}': {why}", target.node().display()));
    let mut held: Option<Result<Flock<_>, Fault>> = None;
    let mut begun = Vec::new();
    for left in (0..ROUNDS).rev() {
        let lock = held.as_ref().map(|held| held.as_ref().map(|_| ()).map_err(Clone::clone));
        let ended = apart(|pipe| {
            let attempt = Attempt::new(lock, begun.clone(), pipe, left > 0);
            program::status(work(attempt, &policy.narrow(args, &target.nodes(), sandbox)))
        })
        .map_err(|error| failed(error.to_string()))?;
        if begun.is_empty() {
            begun = ended.said;
        }
        match ended.status {
            Some(status) if status == Need::Nodes.status() => {}
            Some(status) if status == Need::Lock.status() => held = Some(locked(target)),
            Some(status) => return Ok(Outcome::Ended(status)),
            None => return Err(failed("the process that did was killed".to_owned()).into()),
        }
    }
    Err(failed("its device nodes don't come to rest".to_owned()).into())
}

fn locked(target: &Target) -> Result<Flock<File>, Fault> {
    let node = target.node();
    let file = target.open_for_lock().map_err(|error| {
        let exit = if error.kind() == ErrorKind::NotFound { Exit::NoInput } else { Exit::Os };
        Fault::new(exit, format!("cannot open '{}': {error}; nothing was written", node.display()))
    })?;
    hold(&file, &node.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}
