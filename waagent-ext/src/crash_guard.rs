//! Work on foreign bytes that may end this program: recorded before it begins, and not begun again for what ended it twice.
//!
//! The record outlives whatever ends us: too little memory, the watchdog, a fault of ours. Without it the next run would
//! begin with the same bytes, and no other extension would ever have its turn.

use std::cell::RefCell;
use std::collections::HashMap;

use nix::sys::stat::FileStat;
use waagent_common::documents::{self, Body, CrashRecord, Document, End, Foreign, ForeignKind, Inputs};
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

/// An input that ended so many runs isn't worked on again. Once may be chance: somebody killed us.
const MOST: u32 = 2;

/// Tells a file from what may stand in its place later.
pub(crate) fn stamp(file: &FileStat) -> String {
    format!(
        "{} {} {}.{} {}.{}",
        file.st_ino, file.st_size, file.st_mtime, file.st_mtime_nsec, file.st_ctime, file.st_ctime_nsec
    )
}

/// What is worked on, what ended us, and what this run has come back from.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    root: &'a Root,
    sandbox: &'a Sandbox,
    record: RefCell<CrashRecord>,
    /// The newest of each kind and owner: read again as it was, it does no harm.
    survived: RefCell<HashMap<(ForeignKind, String), String>>,
}

impl<'a> Guard<'a> {
    /// Reads the record. What the last run didn't come back from counts against it.
    pub(crate) fn open(root: &'a Root, sandbox: &'a Sandbox) -> Self {
        let record = Document::<CrashRecord>::read_if_there(root).unwrap_or_else(|fault| {
            log::warning(&format!("{fault}, ignoring"));
            None
        });
        let mut record = record.map(|document| document.body).unwrap_or_default();
        let ended = record.input.take();
        if let Some(input) = &ended {
            log::warning(&format!("the last run ended while it worked on {input}"));
            count(&mut record.ends, input);
        }
        let guard =
            Self { root, sandbox, record: RefCell::new(record), survived: RefCell::new(HashMap::new()) };
        if ended.is_some() {
            guard.save();
        }
        guard
    }

    /// Does this work, recorded as begun; or says why this input isn't worked on any more.
    pub(crate) fn work<T>(&self, input: Foreign, work: impl FnOnce() -> T) -> Result<T, Fault> {
        let key = (input.kind, input.of.clone());
        if self.survived.borrow().get(&key) == Some(&input.stamp) {
            return Ok(work());
        }
        let times =
            self.record.borrow().ends.iter().find(|end| end.input == input).map_or(0, |end| end.times);
        if times >= MOST {
            let text = format!(
                "{input} ended waagent-ext {times} times (out of memory, time or by a fault): it isn't worked on again \
                 until it changes or a new goal state comes"
            );
            return Err(Fault::new(Exit::Software, text));
        }
        self.record.borrow_mut().input = Some(input.clone());
        self.save();
        let done = work();
        {
            let mut record = self.record.borrow_mut();
            record.input = None;
            record.ends.retain(|end| end.input != input);
        }
        self.save();
        self.survived.borrow_mut().insert(key, input.stamp);
        Ok(done)
    }

    /// A new goal state, or whoever starts the agent, lets everything be tried again.
    pub(crate) fn forgive(&self) {
        let forgiven = std::mem::take(&mut self.record.borrow_mut().ends);
        if !forgiven.is_empty() {
            self.save();
        }
    }

    /// Work goes on where the record can't be written: a full disk is no reason to call a status bad.
    fn save(&self) {
        if let Err(fault) = self.try_save() {
            log::warning(&format!("{fault}, ignoring"));
        }
    }

    /// An empty record is no file: its removal needn't be durable, for it is over as soon as the name is gone.
    fn try_save(&self) -> Result<(), Fault> {
        let record = self.record.borrow();
        let path = self.root.path(CrashRecord::PATH);
        if *record != CrashRecord::default() {
            return documents::replace_at(&path, &*record, &Inputs::new(), self.sandbox);
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::io(format!("cannot remove '{}': {error}", path.display())))
            }
            _ => Ok(()),
        }
    }
}

fn count(ends: &mut Vec<End>, input: &Foreign) {
    if let Some(end) = ends.iter_mut().find(|end| end.input == *input) {
        end.times = end.times.saturating_add(1);
        return;
    }
    let surplus = (ends.len() + 1).saturating_sub(CrashRecord::MAX_ENDS);
    ends.drain(..surplus);
    ends.push(End { input: input.clone(), times: 1 });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(number: usize) -> Foreign {
        Foreign { kind: ForeignKind::Status, of: "Test.Odd-1.0".to_owned(), stamp: number.to_string() }
    }

    #[test]
    fn remembers_the_newest_ends() {
        let mut ends = Vec::new();
        for number in 0..200 {
            count(&mut ends, &input(number));
            count(&mut ends, &input(number));
        }
        assert_eq!((ends.len(), ends.last().map(|end| end.times)), (CrashRecord::MAX_ENDS, Some(2)));
    }
}
