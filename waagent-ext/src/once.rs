//! One look at everything: what can be done now is done.

use anyhow::Result;
use waagent_common::documents::Written;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::sandbox::Sandbox;

use crate::engine::{Engine, WaitReason};

/// Works until something has to be waited for, and says what.
pub fn work(mut engine: Engine<'_>, sandbox: &Sandbox) -> Result<Outcome> {
    if let Some(path) = sandbox.moved() {
        let text = format!("'{}' was replaced since this program began; run it again", path.display());
        return Err(Fault::new(Exit::TryAgain, text).into());
    }
    let rest = engine.advance()?;
    let (written, _) = engine.publish()?;
    let text = match rest {
        WaitReason::Idle(why) => why,
        WaitReason::Command(id) | WaitReason::Start(id, _) => {
            format!("command {id} waits for its starter or its end")
        }
        WaitReason::Package(name) => format!("waits for the package of {name}"),
        WaitReason::Dependency(name, _) => format!("{name} waits for what it depends on"),
        WaitReason::Certificate(name, left) => {
            format!("{name} waits for its certificate, at most {} s", left.as_secs())
        }
    };
    let changed = engine.has_worked() || written == Written::Changed;
    Ok(if changed { Outcome::Done(text) } else { Outcome::Unchanged(text) })
}
