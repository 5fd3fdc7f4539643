//! A medium is read in a child that may open the drives that are there and nothing else of `/dev`.

use std::fs::File;
use std::io::Write;

use anyhow::Result;
use waagent_common::args::Common;
use waagent_common::device_nodes::Changes;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::program;
use waagent_common::sandbox::{Confine, Sandbox};
use waagent_common::sys::confined_child;
use waagent_common::text::one_line;
use waagent_declaration::Policy;

use super::args::Named;
use super::find::{self, Candidate, Missing};

/// Statuses by which the child says what is missing; no program of ours ends with them.
const NOTHING: u8 = 200;
const SILENT: u8 = 201;
const FAT: u8 = 202;
const REFUSED: u8 = 203;
/// Longest reason that is taken from the child, in bytes.
const MAX_WHY: usize = 1024;

/// Reads and keeps, in a child; what it says is the result.
pub fn look(
    policy: &Policy,
    args: &Common,
    sandbox: &Sandbox,
    named: Option<&Named>,
    changes: &Changes,
    work: impl FnOnce(&Sandbox, &[Candidate]) -> Result<Result<Outcome, Fault>, Missing>,
) -> Result<Outcome, Missing> {
    let candidates = if named.is_some() { Vec::new() } else { find::settled(changes)? };
    let nodes: Vec<_> = candidates.iter().map(|candidate| candidate.node.clone()).collect();
    let failed = |why: &str| Missing::Refused(Fault::new(Exit::Os, format!("cannot read the medium: {why}")));
    let child = |pipe| match work(&policy.narrow(args, &nodes, sandbox), &candidates) {
        Ok(kept) => program::status(kept.map_err(Into::into)),
        Err(missing) => tell(pipe, &missing),
    };
    let ended = confined_child::apart(child).map_err(|error| failed(&error.to_string()))?;
    let why = || one_line(&String::from_utf8_lossy(&ended.said), MAX_WHY);
    match ended.status {
        None => Err(failed("the process that did was killed")),
        Some(NOTHING) => Err(Missing::Nothing(why())),
        Some(SILENT) => Err(Missing::Silent(why())),
        Some(FAT) => Err(Missing::Fat(why())),
        Some(REFUSED) => Err(Missing::Refused(Fault::data(why()))),
        Some(status) => Ok(Outcome::Ended(status)),
    }
}

fn tell(mut pipe: File, missing: &Missing) -> u8 {
    let (status, why) = match missing {
        Missing::Nothing(why) | Missing::Unsettled(why) => (NOTHING, why),
        Missing::Silent(why) => (SILENT, why),
        Missing::Fat(why) => (FAT, why),
        Missing::Refused(fault) if fault.exit == Exit::Data => (REFUSED, &fault.text),
        Missing::Refused(fault) => return program::status(Err(fault.clone().into())),
    };
    // Without the reason the kind of it still counts.
    let _untold = pipe.write_all(why.as_bytes());
    status
}
