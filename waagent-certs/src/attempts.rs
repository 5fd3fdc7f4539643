//! How often unsealing may fail. Each failure could tell whoever made the sealed data something of what is in it.
//!
//! He has the platform's own answer, and seals what he likes to the public half of the pair. So a success is no sign that
//! all is well: it isn't counted, and forgives nothing. The file is written before the key is used: a run that is killed
//! has had its attempt. It lies in `/run`, which is gone with the boot.
//!
//! A padding oracle asks some 128 times for a byte, and half of one prime of RSA 2048, 64 bytes, is enough for the key:
//! 8000 failures at the least. 100 in a boot make 80 boots; with one each month that is six years, and no such oracle is
//! known any more.

use std::path::PathBuf;

use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::{durable, log, time};

/// Whether sealed data may be opened now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes.
    Now,
    /// The same has failed already, and would again.
    Known,
    /// In so many seconds.
    Later(u64),
    /// Not in this boot.
    Never,
}

/// The failures of this boot.
pub(crate) struct Attempts {
    path: PathBuf,
    before: State,
}

/// One line: number, seconds, digest or `-`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    failures: u32,
    /// Seconds since the start of the machine at which all failures are paid for, [`PAUSE`] for each.
    due: u64,
    /// SHA-256 of what failed last.
    failed: Option<String>,
}

impl Attempts {
    /// Reads what there was. An administrator's run, `is_forced`, begins anew.
    pub(crate) fn read(root: &Root, is_forced: bool) -> Result<Self, Fault> {
        let path = root.runtime_path("certs").join("attempts");
        let before = match durable::read_bounded(&path, LARGEST) {
            _ if is_forced => State::default(),
            Ok(bytes) => State::parse(&bytes).unwrap_or_else(|| {
                log::warning(&format!("'{}' is damaged, taking it for full", path.display()));
                State { failures: MOST, ..State::default() }
            }),
            Err(fault) if fault.exit == Exit::NoInput => State::default(),
            Err(fault) => return Err(fault),
        };
        Ok(Self { path, before })
    }

    /// Whether data of this digest may be opened.
    pub(crate) fn verdict(&self, digest: &str) -> Verdict {
        let wait = self.owed().saturating_sub(PAUSE * (BURST - 1));
        match &self.before {
            State { failed: Some(failed), .. } if failed == digest => Verdict::Known,
            State { failures: MOST.., .. } => Verdict::Never,
            _ if wait > 0 => Verdict::Later(wait),
            _ => Verdict::Now,
        }
    }

    /// Counts a failure, before it is one.
    pub(crate) fn begin(&self) -> Result<(), Fault> {
        self.write(&self.counted(None))
    }

    /// Says that data of this digest failed.
    pub(crate) fn failed(&self, digest: String) -> Result<(), Fault> {
        self.write(&self.counted(Some(digest)))
    }

    /// Takes back what [`Attempts::begin`] counted.
    pub(crate) fn succeeded(&self) -> Result<(), Fault> {
        if self.before == State::default() {
            return durable::remove(&self.path).map(|_was_there| ());
        }
        self.write(&self.before)
    }

    fn counted(&self, failed: Option<String>) -> State {
        let due = time::uptime().as_secs() + self.owed() + PAUSE;
        State { failures: self.before.failures.saturating_add(1), due, failed }
    }

    /// Seconds; never more than the burst can have left, whatever the file says.
    fn owed(&self) -> u64 {
        self.before.due.saturating_sub(time::uptime().as_secs()).min(PAUSE * BURST)
    }

    fn write(&self, state: &State) -> Result<(), Fault> {
        let failed = state.failed.as_deref().unwrap_or("-");
        durable::write(&self.path, format!("{} {} {failed}\n", state.failures, state.due).as_bytes(), 0o600)
    }
}

impl State {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
        let (failures, due) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let failed = words.next()?;
        Some(Self { failures, due, failed: (failed != "-").then(|| failed.to_owned()) })
    }
}

/// So many failures in a boot; the platform's own answers fail twice at the most, once for each cipher.
pub(crate) const MOST: u32 = 100;
/// So many without a pause.
const BURST: u64 = 5;
/// Seconds for each failure beyond.
const PAUSE: u64 = 30;
/// Bytes of the file.
const LARGEST: u64 = 256;
