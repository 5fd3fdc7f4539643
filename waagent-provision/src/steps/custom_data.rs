//! Step `custom-data`, and the flag by which it is run once.

use anyhow::Result;
use waagent_common::config::{Config, SwitchKey};
use waagent_common::documents::{JournalState, ProvisionJournal};
use waagent_common::durable;
use waagent_common::root::Root;

use crate::pass::{Pass, StepOutcome};

/// Custom data, as bytes, for root alone.
pub(crate) fn save(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let Some(data) = &pass.plan.custom_data else { return Ok(StepOutcome::Skipped("none".to_owned())) };
    let path = pass.root.state_path(FILE);
    let text = format!("custom data, {} bytes", data.expose().len());
    if durable::read_bounded(&path, MAX).is_ok_and(|old| old == *data.expose()) {
        return Ok(StepOutcome::Unchanged(text));
    }
    durable::write(&path, data.expose(), 0o600)?;
    pass.touched.push(path);
    Ok(StepOutcome::Done(text))
}

/// Once per instance, after the marker: a script that hangs or reboots can neither hold up provisioning nor come again.
pub(crate) fn raise_flag(root: &Root, config: &Config, journal: &ProvisionJournal) -> Result<bool> {
    let was_saved =
        journal.steps.iter().any(|step| step.name == "custom-data" && step.state == JournalState::Done);
    let was_run = root.state_path("ext/results/custom-data.result.json").exists();
    let flag = root.runtime_path("provision/customdata");
    let is_wanted = config.switch(SwitchKey::ProvisioningExecuteCustomData) && was_saved && !was_run;
    if !is_wanted || flag.exists() || !root.state_path(FILE).exists() {
        return Ok(false);
    }
    durable::write(&flag, b"provisioned with custom data, Provisioning.ExecuteCustomData=y\n", 0o644)?;
    Ok(true)
}

const FILE: &str = "CustomData";
const MAX: u64 = 128 << 10;
