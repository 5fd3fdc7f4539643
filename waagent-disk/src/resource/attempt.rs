//! What a child that works on the disk has, and what it may ask for (see `attempts`).

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use waagent_common::fault::{Exit, Fault};

/// What a child ends for, to be begun again with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nodes that it wasn't given. Statuses that no program of ours ends with.
    Nodes = 200,
    /// The lock that keeps udev from the disk.
    Lock = 201,
}

impl Need {
    /// The status that says so.
    #[expect(clippy::as_conversions, reason = "an enum's discriminant, below 256")]
    pub(super) const fn status(self) -> u8 {
        self as u8
    }
}

/// Why a disk is formatted, by the first child that came so far: what the next ones find is that child's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// For people.
    pub(crate) reason: String,
    /// What the decision was made from.
    pub(crate) evidence: Vec<String>,
}

/// What a child has.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    lock: Option<Result<(), Fault>>,
    begun: Vec<u8>,
    pipe: Option<Arc<File>>,
    may_ask: bool,
}

impl Attempt {
    /// With the lock, if there is one or it couldn't be had; what the first child said; where to say that.
    pub(super) fn new(lock: Option<Result<(), Fault>>, begun: Vec<u8>, pipe: File, may_ask: bool) -> Self {
        Self { lock, begun, pipe: Some(Arc::new(pipe)), may_ask }
    }

    /// Ends this process, which is begun again; returns where that has happened often enough.
    pub(crate) fn ask(&self, need: Need) {
        if self.may_ask {
            std::process::exit(need.status().into());
        }
    }

    /// Has the next child know why; returns what the first one said.
    pub(crate) fn begin(&self, own: Begun) -> Begun {
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
    pub(crate) fn hold(&self) -> Result<(), Fault> {
        if self.lock.is_none() {
            self.ask(Need::Lock);
        }
        self.lock
            .clone()
            .unwrap_or_else(|| Err(Fault::new(Exit::Os, "cannot lock the disk; nothing was written")))
    }
}
