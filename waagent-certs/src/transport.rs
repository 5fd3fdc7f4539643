//! Keeps the transport pair: makes one where there is none that will do.

use std::fs;
use std::time::SystemTime;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use waagent_common::digest::sha256;
use waagent_common::documents::{self, Document, Inputs, Transport, path_of};
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::{durable, log, time};

use crate::machine::Machine;
use crate::transport_pair::{Pair, files, generation_of};

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether anything was written.
    pub is_changed: bool,
    /// In a sentence.
    pub(crate) text: String,
}

impl Step {
    /// Both steps together.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            is_changed: self.is_changed || other.is_changed,
            text: format!("{}; {}", self.text, other.text),
        }
    }

    /// The program's result.
    pub fn into_outcome(self) -> Outcome {
        if self.is_changed { Outcome::Done(self.text) } else { Outcome::Unchanged(self.text) }
    }
}

/// Makes a pair if the one there won't do.
pub fn ensure(root: &Root, machine: &Machine, sandbox: &Sandbox) -> Result<Step> {
    let known = known(root)?;
    let Some(reason) = reason(root, machine, known.as_ref()) else {
        let generation = known.map_or(1, |document| document.body.generation);
        remove_old(root, generation)?;
        return Ok(Step { is_changed: false, text: format!("transport pair {generation} holds") });
    };
    let generation = next_generation(root, known.as_ref());
    if known.as_ref().and_then(|document| foreign(machine, document)).is_some() {
        // While the new one is made nobody sends this one: the platform would seal our keys to a pair that others have.
        durable::remove(&path_of::<Transport>(root))?;
    }
    let pair = Pair::make(machine.now)?;
    pair.write(root, generation)?;
    let body = body(&pair, machine.now, generation)?;
    documents::write(root, &body, &inputs(machine, &pair)?, sandbox)?;
    // The document names the new pair now; the one before stays, since an answer in flight may be sealed to it.
    remove_old(root, generation)?;
    let text = format!("made transport pair {generation}: {reason}; it is valid until {}", body.not_after);
    Ok(Step { is_changed: true, text })
}

/// What [`ensure`] would do.
pub fn plan(root: &Root, machine: &Machine) -> Result<String> {
    let known = known(root)?;
    Ok(match reason(root, machine, known.as_ref()) {
        Some(reason) => {
            format!("would make transport pair {}: {reason}", next_generation(root, known.as_ref()))
        }
        None => format!("would keep transport pair {}", known.map_or(1, |document| document.body.generation)),
    })
}

/// The pairs that an answer may be sealed to: the current one, then the one before.
pub(crate) fn pairs(root: &Root) -> Result<Vec<Pair>, Fault> {
    let Some(document) = known(root)? else { return Ok(Vec::new()) };
    let generation = document.body.generation;
    let before = generation.checked_sub(1).filter(|before| *before > 0);
    Ok([Some(generation), before]
        .into_iter()
        .flatten()
        .filter_map(|number| Pair::read(root, number))
        .collect())
}

/// Our own document. A damaged one is as good as none, since a pair can be made at any time; one that can't be read is
/// an error: a new pair wouldn't cure that.
fn known(root: &Root) -> Result<Option<Document<Transport>>, Fault> {
    match Document::read_if_there(root) {
        Err(fault) if fault.exit == Exit::Data => {
            log::warning(&format!("{fault}, ignoring"));
            Ok(None)
        }
        read => read,
    }
}

/// By which id it is another machine's pair, as in a clone.
fn foreign(machine: &Machine, document: &Document<Transport>) -> Option<&'static str> {
    let now = [("machine id", "machine-id", &machine.machine_id), ("VM id", "vm-id", &machine.vm_id)];
    // An id that can't be read now says nothing about the machine.
    let differs = |input: &str, now: &Option<String>| {
        now.as_ref().is_some_and(|digest| document.inputs.get(input) != Some(digest))
    };
    now.into_iter().find(|(_, input, digest)| differs(input, digest)).map(|(name, ..)| name)
}

/// Why a new pair is needed.
fn reason(root: &Root, machine: &Machine, known: Option<&Document<Transport>>) -> Option<String> {
    let Some(document) = known else { return Some("there is none".to_owned()) };
    if let Some(name) = foreign(machine, document) {
        return Some(format!("the {name} is another one"));
    }
    let Some(pair) = Pair::read(root, document.body.generation) else {
        return Some(format!(
            "'{}' is missing, damaged or open to others",
            files(root, document.body.generation).0.display()
        ));
    };
    if pair.thumbprint().ok().as_ref() != Some(&document.body.thumbprint) {
        return Some("the certificate is not the one of the document".to_owned());
    }
    match time::parse(&document.body.not_after) {
        Some(end) if end > SystemTime::from(machine.now + SignedDuration::from_hours(24 * RENEW_DAYS)) => {
            None
        }
        _ => Some(format!("it ends on {}", document.body.not_after)),
    }
}

/// Above all that were there, so that a pair that the document doesn't name is never taken for another.
fn next_generation(root: &Root, known: Option<&Document<Transport>>) -> u32 {
    let named = known.map_or(0, |document| document.body.generation);
    let found = generations(root).into_iter().max().unwrap_or(0);
    named.max(found).saturating_add(1)
}

fn generations(root: &Root) -> Vec<u32> {
    // A folder that can't be listed can't be written either, and that error has the better text.
    let Ok(entries) = fs::read_dir(root.state_path("certs")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| generation_of(entry.file_name().to_str()?)).collect()
}

fn remove_old(root: &Root, current: u32) -> Result<(), Fault> {
    for generation in generations(root).into_iter().filter(|found| *found != current && found + 1 != current)
    {
        let (private, public) = files(root, generation);
        durable::remove(&private)?;
        durable::remove(&public)?;
    }
    Ok(())
}

fn body(pair: &Pair, now: Timestamp, generation: u32) -> Result<Transport> {
    let end = now + SignedDuration::from_hours(24 * 730);
    Ok(Transport {
        certificate_der_base64: STANDARD.encode(pair.certificate.to_der()?),
        thumbprint: pair.thumbprint()?,
        not_after: time::of_unix(end.as_second()),
        generation,
    })
}

fn inputs(machine: &Machine, pair: &Pair) -> Result<Inputs> {
    let or_absent = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "absent".to_owned());
    Ok(Inputs::new()
        .digest("configuration", &machine.configuration)
        .digest("key-pair", &sha256(&pair.certificate.to_der()?))
        .digest("machine-id", &or_absent(&machine.machine_id))
        .digest("vm-id", &or_absent(&machine.vm_id)))
}

/// Days before its end at which a pair is replaced.
const RENEW_DAYS: i64 = 30;
