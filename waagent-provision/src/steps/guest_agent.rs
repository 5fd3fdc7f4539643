//! Step `guest-agent`: the deployment wants no extensions.

use anyhow::Result;
use waagent_common::durable;

use crate::pass::{Pass, StepOutcome};

/// The deployment doesn't want extensions. Written before anything waits, since waagent-ext looks for it; removed by
/// people alone.
pub(crate) fn mark(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let path = pass.root.state_path("disable_agent");
    if pass.plan.guest_agent {
        return Ok(StepOutcome::Skipped("ProvisionGuestAgent is true".to_owned()));
    }
    if path.exists() {
        return Ok(StepOutcome::Unchanged("ProvisionGuestAgent is false".to_owned()));
    }
    durable::write(&path, b"", 0o600)?;
    pass.touched.push(path.clone());
    Ok(StepOutcome::Done(format!("disabled extensions; to re-enable them, remove '{}'", path.display())))
}
