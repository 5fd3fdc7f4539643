//! The late pass of a boot: PID 1 starts it where its flag is there.

use anyhow::Result;
use waagent_common::documents::{Document, ProvisionOutcome, ProvisionStatus};
use waagent_common::durable;
use waagent_common::root::Root;

const FLAG: &str = "provision/late";

/// Raises the flag before a pass does anything: one that is cut off has left something.
pub fn raise(root: &Root) -> Result<()> {
    let flag = root.runtime_path(FLAG);
    if !flag.exists() {
        durable::write(&flag, b"a pass of this boot has left something, or hasn't ended\n", 0o644)?;
    }
    Ok(())
}

/// Lowers it where a pass has come to an end of which the status says that nothing is waited for.
pub fn settle<T>(root: &Root, outcome: &Result<T>) -> Result<()> {
    // What can't be read is no status that says so; whoever shows it names the fault.
    let status = Document::<ProvisionStatus>::read_if_there(root).ok().flatten();
    let is_settled = status.is_some_and(|status| match status.body.outcome {
        ProvisionOutcome::Running | ProvisionOutcome::Waiting => false,
        ProvisionOutcome::Failed => true,
        _ => outcome.is_ok(),
    });
    if is_settled {
        durable::remove(&root.runtime_path(FLAG))?;
    }
    Ok(())
}
