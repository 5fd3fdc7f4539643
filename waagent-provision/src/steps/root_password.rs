//! Step `root-password`: locked where there is an administrator.

use anyhow::Result;
use waagent_common::config::SwitchKey;
use waagent_common::secret::Secret;

use crate::pass::{Pass, StepOutcome};
use crate::shadow::{self, Field};

/// The image's root password goes, now that there is an administrator. Root's keys and ageing stay.
pub(crate) fn lock(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    if !pass.config.switch(SwitchKey::ProvisioningDeleteRootPassword) {
        return Ok(StepOutcome::Skipped("Provisioning.DeleteRootPassword=n".to_owned()));
    }
    if pass.plan.user.as_str() == "root" {
        return Ok(StepOutcome::Skipped("root is the user of the deployment".to_owned()));
    }
    if shadow::field(pass.root, "root")? == Field::Locked {
        return Ok(StepOutcome::Unchanged("root has no password".to_owned()));
    }
    // WALinuxAgent's mark: no hash, so no password matches it.
    shadow::set(pass.root, "root", &Secret::new("*LOCK*".to_owned()))?;
    Ok(StepOutcome::Done("deleted root's password".to_owned()))
}
