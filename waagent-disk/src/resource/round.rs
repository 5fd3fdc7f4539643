//! All that is read from the disk, and all that follows from it, happens in a child that may open this disk and no other.
//!
//! Nodes appear meanwhile: a new partition's, or all of them when somebody has the kernel read the table again. A process
//! can't be given more than it has. So it ends, and the next begins anew, as after a kill, with the nodes that are there
//! by then.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::sync::Arc;

use anyhow::Result;
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};
use waagent_common::args::Common;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::program;
use waagent_common::sandbox::{Confine, Sandbox};
use waagent_common::sys::apart::apart;
use waagent_declaration::Policy;

use super::find::Target;
use super::hold::hold;

/// One decides, one makes the partition, one makes the file system; and others meddle.
const ROUNDS: usize = 6;

/// What a child ends for, to be begun again with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nodes that it wasn't given. Statuses that no program of ours ends with.
    Nodes = 200,
    /// The lock that keeps udev from the disk.
    Lock = 201,
}

impl Need {
    #[expect(clippy::as_conversions, reason = "an enum's discriminant, below 256")]
    const fn status(self) -> u8 {
        self as u8
    }
}

/// Why a disk is formatted, by the first child that came so far: what the next ones find is that child's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// For people.
    pub reason: String,
    /// What the decision was made from.
    pub evidence: Vec<String>,
}

/// What a child has.
#[derive(Debug, Clone, Default)]
pub struct Round {
    lock: Option<Result<(), Fault>>,
    begun: Vec<u8>,
    pipe: Option<Arc<File>>,
    may_ask: bool,
}

impl Round {
    /// Ends this process, which is begun again; returns where that has happened often enough.
    pub fn ask(&self, need: Need) {
        if self.may_ask {
            std::process::exit(need.status().into());
        }
    }

    /// Has the next child know why; returns what the first one said.
    pub fn begin(&self, own: Begun) -> Begun {
        if let Ok(first) = serde_json::from_slice(&self.begun) {
            return first;
        }
        if let (Some(mut pipe), Ok(text)) = (self.pipe.as_deref(), serde_json::to_vec(&own)) {
            // Untold, the next child says what it finds itself.
            let _untold = pipe.write_all(&text);
        }
        own
    }

    /// Makes sure that udev leaves the disk alone until the parent ends. Nothing was written before.
    pub fn hold(&self) -> Result<(), Fault> {
        if self.lock.is_none() {
            self.ask(Need::Lock);
        }
        self.lock
            .clone()
            .unwrap_or_else(|| Err(Fault::new(Exit::Os, "cannot lock the disk; nothing was written")))
    }
}

/// Does the work in children, until one is done.
pub fn rounds(
    policy: &Policy,
    args: &Common,
    sandbox: &Sandbox,
    target: &Target,
    work: impl Fn(Round, &Sandbox) -> Result<Outcome>,
) -> Result<Outcome> {
    let failed =
        |why: String| Fault::new(Exit::Os, format!("cannot look at '{}': {why}", target.node().display()));
    let mut held: Option<Result<Flock<_>, Fault>> = None;
    let mut begun = Vec::new();
    for left in (0..ROUNDS).rev() {
        let lock = held.as_ref().map(|held| held.as_ref().map(|_| ()).map_err(Clone::clone));
        let ended = apart(|pipe| {
            let round = Round { lock, begun: begun.clone(), pipe: Some(Arc::new(pipe)), may_ask: left > 0 };
            program::status(work(round, &policy.narrow(args, &target.nodes(), sandbox)))
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
