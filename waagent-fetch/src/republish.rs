//! A reader can miss a change: a path unit forgets what comes while its service runs, and a run may come to nothing. Where
//! a reader's document isn't made from what we published, the same document is put in place once more.

use std::time::Duration;

use serde::de::IgnoredAny;
use waagent_common::digest::sha256;
use waagent_common::documents::{
    Body, Certificates, Endpoint, EndpointProblem, ExtensionStatus, GoalState, SealedCertificates, Transport,
    TransportProblem, UntypedDocument,
};
use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::root::Root;

/// Ours, and the document that its reader makes from it.
#[derive(Debug)]
pub(crate) struct Republish {
    pairs: [Pair; 4],
}

#[derive(Debug)]
struct Pair {
    ours: &'static str,
    name: &'static str,
    max: u64,
    theirs: &'static str,
    /// What was published, when it goes out again, and how often it has.
    late: Option<Late>,
}

#[derive(Debug)]
struct Late {
    digest: String,
    at: Duration,
    times: u32,
}

impl Republish {
    /// Nothing is late yet.
    pub(crate) fn new() -> Self {
        Self {
            pairs: [
                Pair::of::<SealedCertificates, Certificates>(),
                Pair::of::<GoalState, ExtensionStatus>(),
                // Nothing is made from these: they are there for as long as they ask.
                Pair::of::<TransportProblem, Transport>(),
                Pair::of::<EndpointProblem, Endpoint>(),
            ],
        }
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Duration {
        self.pairs
            .iter()
            .filter_map(|pair| pair.late.as_ref().map(|late| late.at))
            .min()
            .unwrap_or(Duration::MAX)
    }

    /// Compares, after a change on either side or when it is time; `now` is of the monotonic clock.
    pub(crate) fn look(&mut self, root: &Root, now: Duration) -> Result<(), Fault> {
        // Nobody runs extensions here, so nobody answers a goal state.
        let is_switched_off = root.state_path("disable_agent").symlink_metadata().is_ok();
        for pair in &mut self.pairs {
            if is_switched_off && pair.name == GoalState::NAME {
                pair.late = None;
                continue;
            }
            pair.look(root, now)?;
        }
        Ok(())
    }
}

impl Default for Republish {
    fn default() -> Self {
        Self::new()
    }
}

impl Pair {
    const fn of<Ours: Body, Theirs: Body>() -> Self {
        Self { ours: Ours::PATH, name: Ours::NAME, max: Ours::MAX_BYTES, theirs: Theirs::PATH, late: None }
    }

    fn look(&mut self, root: &Root, now: Duration) -> Result<(), Fault> {
        let ours = root.path(self.ours);
        let Ok(bytes) = durable::read_bounded(&ours, self.max) else {
            self.late = None;
            return Ok(());
        };
        let digest = sha256(&bytes);
        let made_from = UntypedDocument::<IgnoredAny>::read(&root.path(self.theirs)).ok();
        let made_from = made_from.and_then(|it| it.inputs.get(self.name).cloned());
        if made_from.as_ref() == Some(&digest) {
            self.late = None;
            return Ok(());
        }
        let late = match self.late.take() {
            Some(late) if late.digest == digest => late,
            _ => Late { digest, at: now + WAITS[0], times: 0 },
        };
        if now < late.at {
            self.late = Some(late);
            return Ok(());
        }
        durable::write(&ours, &bytes, 0o640)?;
        log::verbose(&format!("published '{}' again: '{}' isn't made from it yet", self.ours, self.theirs));
        let times = late.times.saturating_add(1);
        let wait = usize::try_from(times).ok().and_then(|times| WAITS.get(times)).unwrap_or(&EACH);
        self.late = Some(Late { at: now + *wait, times, ..late });
        Ok(())
    }
}

/// After the first publishing, after the second, after the third. Twice early, for a start of the machine in which PID 1 reads
/// its units anew.
const WAITS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(60)];
/// After each further one.
const EACH: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use waagent_common::documents::{Inputs, path_of, write};
    use waagent_common::sandbox::Sandbox;

    use super::*;

    /// Which file it is: one that is put in place again is another.
    fn inode(root: &Root) -> u64 {
        use std::os::unix::fs::MetadataExt;
        path_of::<TransportProblem>(root).metadata().unwrap().ino()
    }

    /// Whom a question starts may be killed before it has done anything: a question that is heard once isn't enough.
    #[test]
    fn a_question_is_put_again_for_as_long_as_it_is_there() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::new(scratch.path());
        std::fs::create_dir_all(root.state_path("fetch")).unwrap();
        let problem = TransportProblem { reason: "there is none".to_owned() };
        write(&root, &problem, &Inputs::new(), &Sandbox::unconfined()).unwrap();
        let mut republish = Republish::new();
        let mut asked = inode(&root);
        let mut times = Vec::new();
        for second in 0..1500 {
            republish.look(&root, Duration::from_secs(second)).unwrap();
            if inode(&root) != std::mem::replace(&mut asked, inode(&root)) {
                times.push(second);
            }
        }
        assert_eq!(times, [10, 30, 90, 690, 1290]);
        durable::remove(&path_of::<TransportProblem>(&root)).unwrap();
        republish.look(&root, Duration::from_secs(1500)).unwrap();
        assert_eq!(republish.next(), Duration::MAX);
    }
}
