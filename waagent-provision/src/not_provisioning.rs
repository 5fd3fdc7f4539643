//! Somebody else provisions, or nobody, or it was done before: what there is to note.

use anyhow::Result;
use waagent_common::config::SwitchKey;
use waagent_common::documents::{
    Document, Inputs, ProvisionOutcome, ProvisionState, ProvisionStatus, ProvisioningAgent,
};
use waagent_common::durable;
use waagent_common::fault::{Exit, Outcome};
use waagent_common::marker::Marker;

use crate::journal::Journal;
use crate::reason::{self, Reason};
use crate::run::{Retry, Run};
use crate::{certificate_links, cloud_init, console, journal, ovf, ovf_file, status, steps};

/// `Provisioning.Agent=disabled`.
pub fn disabled(run: &Run<'_>) -> Result<Outcome> {
    if run.args.plan {
        return Ok(Outcome::Planned("would note that provisioning is disabled".to_owned()));
    }
    if !run.is_marked() {
        Marker::write(run.root, &run.id)?;
    }
    let mut status = status::blank(run.root, &run.id, ProvisioningAgent::Disabled);
    status::ready(&mut status, ProvisionOutcome::Disabled);
    let text = "Provisioning is disabled, skipping.".to_owned();
    Ok(if run.end(status)? { Outcome::Done(text) } else { Outcome::Unchanged(text) })
}

/// This VM was provisioned by an earlier pass. A status that says so stays, word for word.
pub fn already(run: &Run<'_>) -> Result<Outcome> {
    let text = "Provisioning already completed, skipping.".to_owned();
    if run.args.plan {
        return Ok(Outcome::Planned(text));
    }
    ovf_file::release(run.root)?;
    let mut is_new = false;
    if let Some(journal) = journal::read(run.root)?.filter(|journal| journal.instance_id == run.id.marker()) {
        is_new = steps::raise_custom_data_flag(run.root, run.config, &journal)?;
    }
    if let Some(certificates) = &run.sources.certificates {
        is_new |= certificate_links::place(run.root, &certificates.body)? > 0;
    }
    // A damaged status is replaced.
    let old = Document::<ProvisionStatus>::read_if_there(run.root).ok().flatten();
    let is_told = old.is_some_and(|old| {
        old.body.state == ProvisionState::Ready && old.body.instance_id == run.id.marker()
    });
    if !is_told {
        let mut status = status::blank(run.root, &run.id, ProvisioningAgent::Waagent);
        status::add_host_keys(&mut status, run.root, run.config);
        status::ready(&mut status, ProvisionOutcome::Already);
        is_new |= status::write(run.root, status, &run.sources.inputs, run.sandbox)?;
    }
    Ok(if is_new { Outcome::Done(text) } else { Outcome::Unchanged(text) })
}

/// The disk of another VM, or of another agent: users and host keys stay as they are, the new identity is noted.
pub fn adopt(run: &Run<'_>, why: &str) -> Result<Outcome> {
    if run.args.plan {
        return Ok(Outcome::Planned(format!("would note this VM's identity: {why}")));
    }
    let mut status = status::blank(run.root, &run.id, ProvisioningAgent::Waagent);
    status::add_host_keys(&mut status, run.root, run.config);
    let mut warning = format!("{why}; its users and host keys are kept");
    if run.sources.media.as_ref().is_some_and(|media| media.body.sha256.is_some()) {
        warning.push_str(
            ", what the provisioning DVD asks for is ignored: deprovision an image before it is captured",
        );
    }
    for key in &status.host_keys {
        console::warning(&format!(
            "clones may share SSH host key {} {}, ignoring",
            key.key_type, key.fingerprint
        ));
    }
    console::warning(&warning);
    status.warnings.push(warning.clone());
    Marker::write(run.root, &run.id)?;
    status::ready(&mut status, ProvisionOutcome::Already);
    run.end(status)?;
    Ok(Outcome::Done(warning))
}

/// cloud-init provisions: nothing of the system is changed here, its result is noted when it has one.
pub fn to_cloud_init(run: &Run<'_>) -> Result<Outcome> {
    if run.args.plan {
        return Ok(Outcome::Planned(
            "would wait for cloud-init, and note that it has provisioned".to_owned(),
        ));
    }
    let mut status = status::blank(run.root, &run.id, ProvisioningAgent::CloudInit);
    if !cloud_init::has_finished(run.root) {
        return wait_for_cloud_init(run, status);
    }
    status.warnings = cloud_init::errors(run.root);
    note_ovf(run, &mut status)?;
    status::add_host_keys(&mut status, run.root, run.config);
    Marker::write(run.root, &run.id)?;
    status::ready(&mut status, ProvisionOutcome::Done);
    run.end(status)?;
    Ok(Outcome::Done("Provisioning complete: cloud-init has provisioned this machine".to_owned()))
}

fn wait_for_cloud_init(run: &Run<'_>, mut status: ProvisionStatus) -> Result<Outcome> {
    if has_waited_too_long(run)? {
        let mut text =
            "cloud-init has not finished within 30 minutes; see 'cloud-init status --long'".to_owned();
        for error in cloud_init::errors(run.root) {
            text.push_str("; ");
            text.push_str(&error);
        }
        let errors = vec![reason::error("cloud-init", Reason::CloudInitUnfinished, text)];
        return run.fail(status, errors, Exit::Unavailable, Retry::None);
    }
    status.waits_for = vec!["cloud-init".to_owned()];
    status::waiting(&mut status);
    let is_new = status::write(run.root, status, &run.sources.inputs, run.sandbox)?;
    let text = "provisioning waits for cloud-init".to_owned();
    Ok(if is_new { Outcome::Done(text) } else { Outcome::Unchanged(text) })
}

/// Counted as the wait for a certificate is.
fn has_waited_too_long(run: &Run<'_>) -> Result<bool> {
    let earlier = journal::read(run.root)?.unwrap_or_default();
    let mut journal = Journal::new(run.root, run.sandbox, Inputs::new(), earlier);
    journal.begin(&run.id.marker());
    journal.has_waited_too_long()
}

/// cloud-init's copy is information only: a damaged one is a warning.
fn note_ovf(run: &Run<'_>, status: &mut ProvisionStatus) -> Result<()> {
    let path = run.root.state_path("ovf-env.xml");
    let read = durable::read_bounded(&path, ovf::MAX_BYTES).map_err(|fault| fault.text).and_then(|bytes| {
        let text = ovf::decode(&bytes).map_err(|refusal| refusal.text)?;
        ovf::read(&text).map_err(|refusal| refusal.text)
    });
    let wishes = match read {
        Ok(wishes) => wishes,
        Err(why) => {
            status.warnings.push(format!("cloud-init's ovf-env.xml: {why}, ignoring"));
            return Ok(());
        }
    };
    status.hostname = Some(wishes.host_name).filter(|name| name.len() <= 64);
    let disable = run.root.state_path("disable_agent");
    if !wishes.provision_guest_agent && !disable.exists() {
        durable::write(&disable, b"", 0o600)?;
    }
    Ok(())
}

/// Whether this run may still write to the console: until a VM is provisioned.
pub fn uses_console(run: &Run<'_>) -> bool {
    run.config.switch(SwitchKey::LogsConsole)
        && run.root.is_live()
        && Marker::read(run.root, &run.id) == Marker::Absent
}
