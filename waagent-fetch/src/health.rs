//! What the platform is told about provisioning: once per VM, in the end `Ready` or why not.

use std::fmt::Write;

use waagent_common::config::ChosenAgent;
use waagent_common::documents::{
    Document, Failed, Health, HealthState as State, Inputs, ProvisionState, ProvisionStatus, RoleProperties,
    write,
};
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::secret::redact_uris;
use waagent_common::text::cut;
use waagent_common::{log, time};

use crate::goal_state::wire::{Identity, WireGoalState};
use crate::http::Response;
use crate::retry::Throttled;
use crate::wire_server::WireServer;

/// What was said, and what is to be said.
#[derive(Debug)]
pub(crate) struct Reporter {
    /// `Provisioning.Agent=disabled` and nobody left a document: nothing to wait for.
    disabled: bool,
    sent: Option<Health>,
    /// The platform asked for a report at this boot, and got one.
    repeated: bool,
    /// Tries left to tell the host key; none where it needn't be told (again).
    fingerprint_tries: Option<u32>,
    complained: Option<String>,
    /// The platform knew all at the last look, and no document has changed since.
    settled: bool,
}

/// A report, before it is dressed in XML.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    state: State,
    description: String,
    vm_id: String,
}

/// What a report came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportOutcome {
    /// The platform knows all there is to know.
    Everything,
    /// It is to be told again, after a new goal state.
    Unsent,
    /// The same, but the platform doesn't want to be asked so often.
    Throttled(Throttled),
}

impl Reporter {
    /// What an earlier run has sent.
    pub(crate) fn new(root: &Root, agent: ChosenAgent) -> Self {
        let sent = match Document::<Health>::read_if_there(root) {
            Ok(sent) => sent.map(|document| document.body),
            Err(fault) => {
                log::warning(&format!("{fault}, ignoring it"));
                None
            }
        };
        let is_ready = sent.as_ref().is_some_and(|sent| sent.state == State::Ready);
        let fingerprint_tries = is_ready.then_some(FINGERPRINT_TRIES);
        let disabled = agent == ChosenAgent::Disabled;
        Self { disabled, sent, repeated: false, fingerprint_tries, complained: None, settled: false }
    }

    /// Tells the platform what it doesn't know yet.
    pub(crate) fn report(
        &mut self,
        root: &Root,
        sandbox: &Sandbox,
        server: WireServer<'_>,
        wire: &WireGoalState,
    ) -> Result<ReportOutcome, Fault> {
        let is_ready = self.sent.as_ref().is_some_and(|sent| sent.state == State::Ready);
        if self.settled && !(wire.expects_health && is_ready && !self.repeated) {
            return Ok(ReportOutcome::Everything);
        }
        let (report, inputs) = self.wanted(root);
        let Some(report) = report else { return Ok(ReportOutcome::Everything) };
        let asked = wire.expects_health && !self.repeated && report.state == State::Ready;
        if self.is_known(&report) && !asked {
            self.settled = true;
            return Ok(ReportOutcome::Everything);
        }
        let answer = server.health(&render(&wire.identity, &report));
        let (http_status, unsent) = match &answer {
            Ok(response) if response.is_success() => (Some(response.status), None),
            Ok(response) => (Some(response.status), Some(refusal(response))),
            Err(failure) => (None, Some(failure.text.clone())),
        };
        let told = match answer.as_ref().ok().and_then(Throttled::of) {
            _ if unsent.is_none() => ReportOutcome::Everything,
            Some(throttled) => ReportOutcome::Throttled(throttled),
            None => ReportOutcome::Unsent,
        };
        if told == ReportOutcome::Everything {
            self.repeated = self.repeated || report.state == State::Ready;
            self.fingerprint_tries = (report.state == State::Ready).then_some(FINGERPRINT_TRIES);
            log::info(&format!(
                "told the platform: {}{}; it answered {}",
                report.state,
                if report.description.is_empty() {
                    String::new()
                } else {
                    format!(" ('{}')", report.description)
                },
                http_status.unwrap_or_default()
            ));
        } else if self.sent.as_ref().and_then(|sent| sent.unsent.as_ref()) != unsent.as_ref() {
            let why = unsent.as_deref().unwrap_or_default();
            log::warning(&format!("the platform doesn't know yet: {}; {why}", report.state));
        }
        self.keep(root, sandbox, &report, http_status, unsent, &inputs)?;
        Ok(told)
    }

    /// A document changed that reports are made from.
    pub(crate) fn doubt(&mut self) {
        self.settled = false;
    }

    /// Is there a report that the platform doesn't have?
    pub(crate) fn is_unsent(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.unsent.is_some())
    }

    fn is_known(&self, report: &Report) -> bool {
        self.sent.as_ref().is_some_and(|sent| {
            sent.unsent.is_none()
                && sent.state == report.state
                && sent.vm_id == report.vm_id
                // That it failed is told once, by its first reason.
                && (report.state == State::Failed || sent.description == report.description)
        })
    }

    /// What there is to say now, and what that is made from.
    fn wanted(&mut self, root: &Root) -> (Option<Report>, Inputs) {
        let status = Document::<ProvisionStatus>::read_if_there(root);
        let inputs = Inputs::new().optional(status.as_ref().ok().and_then(Option::as_ref));
        let report = match status {
            Ok(Some(document)) => Some(of_document(&document.body)),
            Ok(None) if self.disabled => Some(Report::of(State::Ready, "")),
            Ok(None) => self.without_document(root),
            // Never `Ready` on the word of a damaged document.
            Err(fault) => {
                self.complain(&fault.text);
                let ready = self.sent.as_ref().is_some_and(|sent| sent.state == State::Ready);
                (!ready).then(|| Report::of(State::Provisioning, &fault.text))
            }
        };
        (report, inputs)
    }

    fn without_document(&self, root: &Root) -> Option<Report> {
        // The late pass is the last word: where the first one was killed, it may come right in it.
        if let Some(text) = failure_of(root, "waagent-provision-late.service") {
            return Some(Report::of(State::Failed, &text));
        }
        let told = self.sent.as_ref().is_some_and(|sent| sent.unsent.is_none());
        (!told || self.sent.as_ref().is_some_and(|sent| sent.state == State::Provisioning))
            .then(|| Report::of(State::Provisioning, STARTING))
    }

    fn complain(&mut self, text: &str) {
        if self.complained.as_deref() != Some(text) {
            log::error(text);
            self.complained = Some(text.to_owned());
        }
    }

    /// Tells the fingerprint of the host key, after `Ready`. Best effort: nobody waits for it.
    pub(crate) fn tell_fingerprint(
        &mut self,
        root: &Root,
        sandbox: &Sandbox,
        server: WireServer<'_>,
        identity: &Identity,
    ) -> Result<(), Fault> {
        let Some(left) = self.fingerprint_tries else { return Ok(()) };
        let Some(sent) = self.sent.as_ref().filter(|sent| sent.unsent.is_none()) else { return Ok(()) };
        let status = Document::<ProvisionStatus>::read_if_there(root).ok().flatten();
        let fingerprint = status.as_ref().and_then(|status| status.body.ssh_host_key_fingerprint.clone());
        let known = sent.role_properties.as_ref().map(|known| &known.fingerprint);
        let Some(fingerprint) = fingerprint.filter(|text| !text.is_empty() && Some(text) != known) else {
            self.fingerprint_tries = None;
            return Ok(());
        };
        self.fingerprint_tries = left.checked_sub(1).filter(|left| *left > 0);
        let result = match server.role_properties(&render_fingerprint(identity, &fingerprint)) {
            Ok(response) if response.is_success() => Ok(()),
            Ok(response) => Err(refusal(&response)),
            Err(failure) => Err(failure.text),
        };
        match &result {
            Ok(()) => log::info("told the platform the fingerprint of the host key"),
            Err(_) if self.fingerprint_tries.is_some() => return Ok(()),
            Err(why) => {
                log::warning(&format!(
                    "cannot tell the platform the host key's fingerprint: {why}, ignoring"
                ));
            }
        }
        let result = result.map_or_else(|why| why, |()| "accepted".to_owned());
        self.fingerprint_tries = None;
        let inputs = Inputs::new().optional(status.as_ref());
        if let Some(sent) = &mut self.sent {
            sent.role_properties = Some(RoleProperties { fingerprint, result });
            write(root, sent, &inputs, sandbox)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        root: &Root,
        sandbox: &Sandbox,
        report: &Report,
        http_status: Option<u16>,
        unsent: Option<String>,
        inputs: &Inputs,
    ) -> Result<(), Fault> {
        let before = self.sent.take();
        let is_repeated_failure = before.as_ref().is_some_and(|before| {
            unsent.is_some()
                && before.unsent.is_some()
                && before.state == report.state
                && before.vm_id == report.vm_id
        });
        let health = Health {
            state: report.state,
            description: report.description.clone(),
            vm_id: report.vm_id.clone(),
            at: match &before {
                Some(before) if is_repeated_failure => before.at.clone(),
                _ => time::now_seconds(),
            },
            http_status,
            unsent,
            role_properties: before
                .filter(|before| before.vm_id == report.vm_id)
                .and_then(|before| before.role_properties),
        };
        let written = write(root, &health, inputs, sandbox);
        self.sent = Some(health);
        written.map(|_| ())
    }
}

impl Report {
    fn of(state: State, description: &str) -> Self {
        Self { state, description: clean(description), vm_id: String::new() }
    }
}

fn of_document(status: &ProvisionStatus) -> Report {
    let (state, description) = match status.state {
        ProvisionState::Provisioning => (State::Provisioning, STARTING),
        ProvisionState::Ready => (State::Ready, ""),
        ProvisionState::Failed => (State::Failed, status.description.as_str()),
    };
    Report { state, description: clean(description), vm_id: status.vm_id.clone() }
}

/// What `waagent-fetch failed` left of a unit.
fn failure_of(root: &Root, unit: &str) -> Option<String> {
    let path = root.state_path(format!("fetch/failed/{unit}.json"));
    let failed = Document::<Failed>::read_at_if_there(root, &path).ok()??.body;
    Some(format!(
        "{} failed without a report: {} ({} {})",
        failed.unit, failed.result, failed.exit_code, failed.exit_status
    ))
}

fn refusal(response: &Response) -> String {
    cut(&response.shown(), 512).to_owned()
}

/// Shown to the user of the platform: no query of a URI, no character that XML forbids, and short enough.
fn clean(description: &str) -> String {
    let text: String = redact_uris(description)
        .chars()
        .filter(|c| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..))
        .collect();
    cut(&text, MAX_DESCRIPTION).to_owned()
}

fn render(identity: &Identity, report: &Report) -> String {
    let mut health = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Health xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><GoalStateIncarnation>{}</GoalStateIncarnation>\
         <Container><ContainerId>{}</ContainerId><RoleInstanceList><Role><InstanceId>{}</InstanceId><Health>",
        escape(&identity.incarnation),
        escape(&identity.container_id),
        escape(&identity.instance_id)
    );
    // Writing into a string can't fail.
    let _infallible = match report.state {
        State::Ready => write!(health, "<State>Ready</State>"),
        state => write!(
            health,
            "<State>NotReady</State><Details><SubStatus>{}</SubStatus><Description>{}</Description></Details>",
            state.as_wire(),
            cut_escaped(&escape(&report.description))
        ),
    };
    health.push_str("</Health></Role></RoleInstanceList></Container></Health>");
    health
}

fn render_fingerprint(identity: &Identity, fingerprint: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><RoleProperties><Container><ContainerId>{}</ContainerId>\
         <RoleInstances><RoleInstance><Id>{}</Id><Properties><Property name=\"CertificateThumbprint\" value=\"{}\" />\
         </Properties></RoleInstance></RoleInstances></Container></RoleProperties>",
        escape(&identity.container_id),
        escape(&identity.instance_id),
        escape(&clean(&fingerprint.replace(':', "")))
    )
}

fn escape(text: &str) -> String {
    waagent_common::xml::escape(text).into_owned()
}

/// Cut at 3500 bytes, but not within `&amp;`.
fn cut_escaped(text: &str) -> &str {
    let short = cut(text, MAX_DESCRIPTION);
    match short.rfind('&') {
        Some(at) if short.len() < text.len() && !short.get(at..).unwrap_or_default().contains(';') => {
            cut(short, at)
        }
        _ => short,
    }
}

const STARTING: &str = "Starting";
/// The platform takes 4096 bytes.
const MAX_DESCRIPTION: usize = 3500;
const FINGERPRINT_TRIES: u32 = 3;

#[cfg(test)]
mod tests;
