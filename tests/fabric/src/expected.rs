//! Whether what was received is what somebody waits for: a condition, or a status that says what the goal state wants.

use serde_json::Value;

use crate::platform::Platform;
use crate::settings::{SealedExtension, SealedSettings};
use crate::until::Until;

/// How far a status is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Something is missing or still going on.
    Pending,
    /// All extensions have ended, one of them not with success.
    Failed,
    /// All extensions say success for the sequence number wanted.
    Success,
}

impl Platform {
    /// Whether a condition holds.
    pub fn meets(&self, until: &Until) -> bool {
        let record = &self.record;
        let reported = |sub_status: &str| record.health.iter().any(|report| report.sub_status == sub_status);
        match until {
            Until::Manual => false,
            Until::Polls(count) => self.goal.polls >= *count,
            Until::Uploads(count) => self.goal.uploads >= *count,
            Until::GoalState(number) => self.goal.number + 1 >= *number,
            Until::Provisioning => reported("Provisioning"),
            Until::Ready => record.is_ready(),
            Until::Failed => reported("ProvisioningFailed"),
            Until::Status => self.goal.uploads > 0,
            Until::StatusSuccess => self.progress() == Progress::Success,
            Until::StatusDone => self.progress() >= Progress::Failed,
            Until::RoleProperties => !record.role_properties.is_empty(),
            Until::Telemetry => !record.telemetry.is_empty(),
            Until::Requests(route, count) => record.count(*route) >= *count,
        }
    }

    /// How far the last status is, measured by the extensions in force.
    pub fn progress(&self) -> Progress {
        let Some(status) = &self.record.last_status else { return Progress::Pending };
        if self.goal.uploads == 0 {
            return Progress::Pending;
        }
        let handlers = status.pointer("/aggregateStatus/handlerAggregateStatus").and_then(Value::as_array);
        let handlers = handlers.map(Vec::as_slice).unwrap_or_default();
        let each = self.goal.revision.extensions.iter().flat_map(|extension| progress(extension, handlers));
        each.min().unwrap_or(Progress::Success)
    }
}

fn progress(extension: &SealedExtension, handlers: &[Value]) -> Vec<Progress> {
    let named: Vec<&Value> = handlers
        .iter()
        .filter(|handler| text(handler, "/handlerName").eq_ignore_ascii_case(&extension.spec.name))
        .collect();
    match extension.spec.state.as_str() {
        "uninstall" if named.is_empty() => vec![Progress::Success],
        "uninstall" => vec![Progress::Pending],
        "disabled" => vec![named.first().map_or(Progress::Pending, |_| Progress::Success)],
        _ if extension.settings.is_empty() => vec![named.first().map_or(Progress::Pending, |one| ended(one))],
        _ => extension.settings.iter().map(|settings| instance(extension, settings, &named)).collect(),
    }
}

fn instance(extension: &SealedExtension, settings: &SealedSettings, handlers: &[&Value]) -> Progress {
    if settings.spec.state.as_deref() == Some("disabled") {
        return Progress::Success;
    }
    let wanted = |handler: &&&Value| {
        let name = text(handler, "/runtimeSettingsStatus/extensionName");
        !extension.is_multi_config() || name == settings.spec.name
    };
    let Some(handler) = handlers.iter().find(wanted) else { return Progress::Pending };
    if text(handler, "/handlerVersion") != extension.spec.version {
        return Progress::Pending;
    }
    let sequence = handler.pointer("/runtimeSettingsStatus/sequenceNumber").and_then(Value::as_u64);
    match (sequence, text(handler, "/runtimeSettingsStatus/settingsStatus/status/status")) {
        (Some(number), "success") if number == settings.spec.seq_no => Progress::Success,
        (Some(number), "error") if number == settings.spec.seq_no => Progress::Failed,
        (None, _) => ended(handler).min(Progress::Failed),
        _ => Progress::Pending,
    }
}

/// Progress of a handler that reports nothing for its settings.
fn ended(handler: &Value) -> Progress {
    match text(handler, "/status") {
        "Ready" => Progress::Success,
        "NotReady" | "Unresponsive" => Progress::Failed,
        _ => Progress::Pending,
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
