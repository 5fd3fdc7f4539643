//! What `--force` needs on a VM that is provisioned: nothing is waited for there, so it is there, or nothing is done.

use anyhow::Result;
use waagent_common::documents::StepError;
use waagent_common::root::Root;

use crate::certificate_lookup::{Lookup, look_up};
use crate::plan::{KeySource, NewPassword, Plan};
use crate::reason::{self, Reason};
use crate::shadow::{self, Field};

/// What isn't there.
pub(crate) fn lacking(root: &Root, plan: &Plan) -> Result<Vec<StepError>> {
    let mut errors = Vec::new();
    let is_set = || Ok::<_, anyhow::Error>(shadow::field(root, plan.user.as_str())? == Field::Usable);
    if matches!(plan.password, NewPassword::SetEarlier) && (plan.account.is_none() || !is_set()?) {
        errors.push(password());
    }
    let by_certificate = plan.keys.iter().filter_map(|key| match &key.source {
        KeySource::Certificate(thumbprint) => Some(thumbprint),
        KeySource::Value(_) => None,
    });
    for thumbprint in by_certificate.chain(plan.key_pairs.iter().map(|pair| &pair.thumbprint)) {
        if matches!(look_up(root, thumbprint)?, Lookup::Absent) {
            let text = format!("certificate {thumbprint} isn't there; run 'systemctl start waagent-fetch'");
            errors.push(reason::error("certificate-keys", Reason::Certificate, text));
        }
    }
    Ok(errors)
}

/// The password isn't kept anywhere.
pub(crate) fn password() -> StepError {
    let text = "the password is on the provisioning DVD alone, and that is gone; attach it again, or set a password from \
                the portal";
    reason::error("password", Reason::NoMedia, text)
}
