//! This program provisions: the medium's wishes are judged, then the steps are taken, then the marker is set.

use anyhow::Result;
use waagent_common::digest::sha256;
use waagent_common::documents::{
    Inputs, ProvisionJournal, ProvisionOutcome, ProvisionStatus, ProvisioningAgent, StepError,
};
use waagent_common::durable;
use waagent_common::fault::{Exit, Outcome};
use waagent_common::marker::Marker;
use waagent_common::root::Root;

use crate::journal::{self, Journal, has_set_password};
use crate::ovf_file::{self, Input};
use crate::pass::Pass;
use crate::plan::Plan;
use crate::reason::{self, Reason};
use crate::run::{Retry, Run};
use crate::status::{self, Sources};
use crate::{certificate_links, console, needs, ovf, preview, steps};

/// One pass: ready, waiting, or failed.
pub fn provision(run: &mut Run<'_>) -> Result<Outcome> {
    console::info("Running default provisioning handler");
    let is_forced = run.is_marked();
    if run.is_to_look_again(is_forced) {
        ovf_file::look_again(run.root)?;
        *run.sources = Sources::read(run.root, run.config)?;
    }
    go_through(run, is_forced)
}

fn go_through(run: &Run<'_>, is_forced: bool) -> Result<Outcome> {
    let retry = if run.args.plan || is_forced {
        Retry::None
    } else if run.args.early {
        Retry::LatePass
    } else {
        retry_after_this_pass(run.root)?
    };
    let mut status = status::blank(run.root, &run.id, ProvisioningAgent::Waagent);
    let earlier = journal::read(run.root)?.filter(|journal| journal.instance_id == run.id.marker());
    let input = match ovf_file::find(run.root, run.sources.media.as_ref(), earlier.as_ref())? {
        Ok(input) => input,
        Err(error) => {
            let is_damaged = error.reason == Reason::MediaUnreadable;
            let exit = if is_damaged { Exit::Data } else { Exit::Unavailable };
            return run.fail(status, vec![error], exit, retry);
        }
    };
    let plan = match judge(run, &input, earlier.as_ref()) {
        Ok(plan) => plan,
        // What the file says stays as it is; a medium that is gone may be attached again.
        Err(errors) if errors.iter().all(|error| error.reason == Reason::NoMedia) => {
            return run.fail(status, errors, Exit::Data, retry);
        }
        Err(errors) => return run.fail(status, errors, Exit::Data, Retry::None),
    };
    if is_forced {
        let lacking = needs::lacking(run.root, &plan)?;
        if !lacking.is_empty() {
            return run.fail(status, lacking, Exit::Unavailable, Retry::None);
        }
    }
    if run.args.plan {
        return Ok(Outcome::Planned(preview::of(run, &plan, earlier.as_ref())));
    }
    status.warnings.clone_from(&plan.warnings);
    for warning in &plan.warnings {
        console::warning(warning);
    }
    let mut pass = begin(run, &plan, &input, earlier, &mut status)?;
    pass.run(steps::FIRST)?;
    if run.args.early {
        pass.run(steps::LAST)?;
        return left_to_the_late_pass(run, &mut pass, status, retry);
    }
    steps::host_keys::begin(&mut pass);
    pass.run(steps::THEN)?;
    pass.run(steps::LAST)?;
    finish(run, &mut pass, status, retry)
}

/// Another one follows the first whole pass of a boot, whatever it came to. One that is killed counts.
fn retry_after_this_pass(root: &Root) -> Result<Retry> {
    let tried = root.runtime_path("provision/tried");
    if tried.exists() {
        return Ok(Retry::None);
    }
    durable::write(&tried, b"a pass of this boot has begun\n", 0o644)?;
    Ok(Retry::LatePass)
}

/// Everything is judged before anything is changed.
fn judge(run: &Run<'_>, input: &Input, earlier: Option<&ProvisionJournal>) -> Result<Plan, Vec<StepError>> {
    let refuse = |refusal: ovf::Refusal| vec![reason::error("media", refusal.reason, refusal.text)];
    let is_lost = |journal: &ProvisionJournal| journal.password_given && !has_set_password(journal);
    if input.is_saved_copy && earlier.is_some_and(is_lost) {
        return Err(vec![needs::password()]);
    }
    let text = ovf::decode(input.bytes.expose()).map_err(refuse)?;
    let wishes = ovf::read(&text).map_err(refuse)?;
    Plan::make(wishes, run.config, run.root, earlier)
}

/// The scrubbed copy and the journal are on disk before the first change.
fn begin<'a>(
    run: &'a Run<'_>,
    plan: &'a Plan,
    input: &Input,
    earlier: Option<ProvisionJournal>,
    status: &mut ProvisionStatus,
) -> Result<Pass<'a>> {
    if !input.is_saved_copy {
        console::info("Copying ovf-env.xml");
        // It was decoded once already.
        let text = ovf::decode(input.bytes.expose()).unwrap_or_default();
        status.warnings.extend(ovf_file::save(run.root, &text)?);
    }
    let plan_sha256 = plan.digest();
    let ovf_sha256 = sha256(input.bytes.expose());
    let mut body = earlier.unwrap_or_default();
    if body.plan_sha256 != plan_sha256 {
        // Another wish for the same VM: its host keys are fresh, all else is looked at again.
        body.steps.retain(|step| step.name == "host-keys");
    }
    if !input.is_saved_copy {
        body.ovf_sha256 = ovf_sha256;
    }
    body.plan_sha256 = plan_sha256;
    body.password_given = plan.password.is_given();
    let mut journal = Journal::new(run.root, run.sandbox, Inputs::new(), body);
    journal.begin(&run.id.marker());
    journal.write()?;
    Ok(Pass {
        root: run.root,
        config: run.config,
        plan,
        journal,
        is_marked: run.is_marked(),
        touched: Vec::new(),
        host_keys: None,
        warnings: Vec::new(),
        errors: Vec::new(),
        waits_for: Vec::new(),
        steps: Vec::new(),
        exit: None,
    })
}

/// The network needn't wait for users and keys.
fn left_to_the_late_pass(
    run: &Run<'_>,
    pass: &mut Pass<'_>,
    mut status: ProvisionStatus,
    retry: Retry,
) -> Result<Outcome> {
    status::add_pass(&mut status, pass);
    if !pass.errors.is_empty() {
        let exit = pass.exit.unwrap_or(Exit::Unavailable);
        return run.fail(status, std::mem::take(&mut pass.errors), exit, retry);
    }
    status::waiting(&mut status);
    status.waits_for.push(status::LATE_PASS.to_owned());
    status::write(run.root, status, &run.sources.inputs, run.sandbox)?;
    Ok(Outcome::Done(format!("host name '{}'; the late pass does the rest", pass.plan.host_name)))
}

/// The marker only when all is done; the status in any case.
fn finish(run: &Run<'_>, pass: &mut Pass<'_>, mut status: ProvisionStatus, retry: Retry) -> Result<Outcome> {
    if let Some(certificates) = &run.sources.certificates {
        certificate_links::place(run.root, &certificates.body)?;
    }
    if !pass.waits_for.is_empty() && pass.journal.has_waited_too_long()? {
        for thing in std::mem::take(&mut pass.waits_for) {
            let text = format!("{thing} has not come within 30 minutes");
            pass.errors.push(reason::error("certificate-keys", Reason::Certificate, text));
        }
    }
    status::add_pass(&mut status, pass);
    status::add_host_keys(&mut status, run.root, run.config);
    if !pass.errors.is_empty() {
        let exit = pass.exit.unwrap_or(Exit::Unavailable);
        return run.fail(status, std::mem::take(&mut pass.errors), exit, retry);
    }
    if !status.waits_for.is_empty() && pass.is_marked {
        let text = format!("{} went away meanwhile", status.waits_for.join(", "));
        let error = reason::error("certificate-keys", Reason::Certificate, text);
        return run.fail(status, vec![error], Exit::Unavailable, retry);
    }
    if !status.waits_for.is_empty() {
        status::waiting(&mut status);
        let text = format!("provisioning waits for {}", status.waits_for.join(", "));
        status::write(run.root, status, &run.sources.inputs, run.sandbox)?;
        return Ok(Outcome::Done(text));
    }
    if !pass.is_marked {
        Marker::write(run.root, &run.id)?;
    }
    say_host_keys(&status);
    status::ready(&mut status, ProvisionOutcome::Done);
    let user = pass.plan.user.as_str();
    let text = format!("Provisioning complete: '{user}' can log in, host name '{}'", pass.plan.host_name);
    run.end(status)?;
    if !pass.is_marked {
        steps::raise_custom_data_flag(run.root, run.config, &pass.journal.body)?;
    }
    Ok(Outcome::Done(text))
}

/// For whoever compares them at the serial console.
fn say_host_keys(status: &ProvisionStatus) {
    for key in &status.host_keys {
        console::info(&format!("SSH host key {}: {}", key.key_type, key.fingerprint));
    }
}
