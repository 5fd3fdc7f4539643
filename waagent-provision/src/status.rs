//! `provision/status.json`: what the platform and the other programs are told, once, at the end of a pass.

use std::time::{Duration, Instant};

use anyhow::Result;
use waagent_common::config::Config;
use waagent_common::config::TextKey;
use waagent_common::documents::{
    self, Certificates, Document, Inputs, Media, ProvisionOutcome, ProvisionState, ProvisionStatus,
    ProvisionedUser, ProvisioningAgent, StepError,
};
use waagent_common::fault::Exit;
use waagent_common::instance::InstanceId;
use waagent_common::lock::Lock;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::cut;
use waagent_common::time;

use crate::accounts::account;
use crate::encoded_report;
use crate::pass::Pass;
use crate::reason::Reason;
use crate::steps::host_keys;

/// The inputs of a pass, as they were when it began.
#[derive(Debug, PartialEq)]
pub struct Sources {
    /// The medium's document.
    pub(crate) media: Option<Document<Media>>,
    /// The unsealed certificates' document.
    pub(crate) certificates: Option<Document<Certificates>>,
    /// Names and digests of both, and of the configuration.
    pub inputs: Inputs,
}

impl Sources {
    /// The certificates that a pass began with.
    pub fn certificates(&self) -> Option<&Document<Certificates>> {
        self.certificates.as_ref()
    }

    /// Reads the documents.
    pub fn read(root: &Root, config: &Config) -> Result<Self> {
        let media = Document::<Media>::read_if_there(root)?;
        let certificates = Document::<Certificates>::read_if_there(root)?;
        let inputs = Inputs::new()
            .optional(media.as_ref())
            .optional(certificates.as_ref())
            .digest("configuration", &config.digest_for("waagent-provision"));
        Ok(Self { media, certificates, inputs })
    }
}

/// A status that says nothing but who this is.
pub fn blank(root: &Root, id: &InstanceId, agent: ProvisioningAgent) -> ProvisionStatus {
    ProvisionStatus {
        state: ProvisionState::Provisioning,
        description: String::new(),
        vm_id: id.vm_id(root),
        ssh_host_key_fingerprint: None,
        outcome: ProvisionOutcome::Running,
        agent,
        instance_id: id.marker(),
        reason: None,
        errors: Vec::new(),
        steps: Vec::new(),
        host_keys: Vec::new(),
        hostname: None,
        user: None,
        warnings: Vec::new(),
        waits_for: Vec::new(),
        uptime_s: 0,
    }
}

/// Fills in the machine's host keys.
pub(crate) fn add_host_keys(status: &mut ProvisionStatus, root: &Root, config: &Config) {
    let asked = config.text(TextKey::ProvisioningSshHostKeyPairType);
    status.host_keys = host_keys::fingerprints(root);
    let chosen = status.host_keys.iter().find(|key| key.key_type == asked).or(status.host_keys.first());
    // WALinuxAgent's form: without colons.
    status.ssh_host_key_fingerprint = chosen.map(|key| key.fingerprint.replace(':', ""));
}

/// Fills in what a pass came to.
pub(crate) fn add_pass(status: &mut ProvisionStatus, pass: &Pass<'_>) {
    let name = pass.plan.user.as_str();
    status.user = account(pass.root, name).map(|account| ProvisionedUser {
        name: name.to_owned(),
        uid: account.uid,
        created: pass.account_is_ours(),
    });
    status.hostname = Some(pass.plan.host_name.as_str().to_owned());
    status.steps.clone_from(&pass.steps);
    status.warnings.extend(pass.warnings.iter().map(|text| cut(text, 1024).to_owned()));
    status.warnings.truncate(256);
    status.waits_for.clone_from(&pass.waits_for);
    status.waits_for.sort();
    status.waits_for.dedup();
}

/// Provisioned, now or before.
pub(crate) fn ready(status: &mut ProvisionStatus, outcome: ProvisionOutcome) {
    status.state = ProvisionState::Ready;
    status.outcome = outcome;
}

/// What a pass waits for that another one follows.
pub(crate) const LATE_PASS: &str = "the late pass";

/// Something isn't there yet.
pub(crate) fn waiting(status: &mut ProvisionStatus) {
    status.state = ProvisionState::Provisioning;
    status.outcome = ProvisionOutcome::Waiting;
}

/// Failed, and a later pass of this boot may come right: the platform goes on waiting.
pub(crate) fn held_up(status: &mut ProvisionStatus, mut errors: Vec<StepError>) {
    errors.truncate(64);
    waiting(status);
    status.reason = reason_of(&errors);
    status.errors = errors;
    status.waits_for.push(LATE_PASS.to_owned());
}

/// Failed, for this boot.
pub(crate) fn failed(status: &mut ProvisionStatus, mut errors: Vec<StepError>) {
    errors.truncate(64);
    status.state = ProvisionState::Failed;
    status.outcome = ProvisionOutcome::Failed;
    status.reason = reason_of(&errors);
    status.description = encoded_report::error(&errors, &status.vm_id);
    status.errors = errors;
}

/// What the first step failed for; but a file system that can't be written is behind what its tools say otherwise.
fn reason_of(errors: &[StepError]) -> Option<Reason> {
    let is_cause = |reason: &Reason| matches!(reason, Reason::ReadOnly | Reason::NoSpace);
    let mut reasons = errors.iter().map(|error| error.reason);
    reasons.clone().find(is_cause).or_else(|| reasons.next())
}

/// Writes it, unless it says what the last one said: times alone are no news.
pub(crate) fn write(
    root: &Root,
    mut status: ProvisionStatus,
    inputs: &Inputs,
    sandbox: &Sandbox,
) -> Result<bool> {
    // A damaged predecessor is replaced.
    if let Ok(Some(old)) = Document::<ProvisionStatus>::read_if_there(root) {
        take_over_warnings(&mut status, &old.body);
        if old.is_made_from(inputs) && timeless(&old.body) == timeless(&status) {
            return Ok(false);
        }
    }
    status.uptime_s = time::uptime().as_secs();
    documents::write(root, &status, inputs, sandbox)?;
    Ok(true)
}

/// What a pass got over that had to wait is still worth knowing when a later one ends it.
fn take_over_warnings(status: &mut ProvisionStatus, old: &ProvisionStatus) {
    if old.outcome != ProvisionOutcome::Waiting || old.instance_id != status.instance_id {
        return;
    }
    let new = std::mem::replace(&mut status.warnings, old.warnings.clone());
    status.warnings.extend(new.into_iter().filter(|text| !old.warnings.contains(text)));
    status.warnings.truncate(256);
}

fn timeless(status: &ProvisionStatus) -> ProvisionStatus {
    ProvisionStatus { uptime_s: 0, steps: Vec::new(), description: String::new(), ..status.clone() }
}

/// One pass at a time; a second one waits a minute, since what it was started for may be new.
pub fn lock(root: &Root) -> Result<Lock> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match Lock::take(root, "provision") {
            Err(fault) if fault.exit == Exit::TryAgain && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(250));
            }
            taken => return Ok(taken?),
        }
    }
}
