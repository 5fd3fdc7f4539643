//! The result of a run that was killed before it could write one.

use anyhow::Result;
use waagent_common::documents::{CommandState, Inputs};
use waagent_common::fault::Outcome;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use super::command_document;
use super::result::Results;

/// Called by whoever started the runner, after it: leaves a result where it left none.
pub fn conclude(root: &Root, id: &str, sandbox: &Sandbox) -> Result<Outcome> {
    // Made from the command's document where that can be read; the result is owed all the same.
    let inputs = command_document::read(root, id)
        .map_or_else(|_| Inputs::new(), |order| Inputs::new().document(&order));
    let results = Results::new(root, id, inputs, sandbox);
    let over = results.read().is_some_and(|result| result.state != CommandState::Started);
    if over {
        return Ok(Outcome::Unchanged(format!("command {id} has its result")));
    }
    // From now on nobody begins it any more.
    let _begun_before = results.claim()?;
    results.interrupt("interrupted: the runner ended without a result")?;
    Ok(Outcome::Done(format!("command {id} was interrupted")))
}
