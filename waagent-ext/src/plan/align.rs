//! A handler's record, brought in line with the version that the goal state names.

use waagent_common::documents::{
    Extension, HandlerReadiness, HandlerRecord, HandlerState, HandlerStatus, PreviousVersion,
};
use waagent_common::types::HandlerVersion;

use super::step::TargetState;
use crate::handler::adopt::Installed;

/// The record of a handler that we have never touched; `found` is what another agent installed.
pub(crate) fn fresh(extension: &Extension, found: Option<Installed>) -> HandlerRecord {
    let (name, version, state) = match found {
        Some(installed) => (installed.name, installed.version, installed.state),
        None => (extension.name.clone(), extension.version.clone(), HandlerState::NotInstalled),
    };
    HandlerRecord {
        name,
        version,
        state,
        previous: None,
        status: status(HandlerReadiness::Installing, "Plugin is waiting to be processed"),
        failure: None,
        sequence_number: None,
        attempt: 1,
        package_sha256: None,
        signature: None,
        enabled_at_s: None,
    }
}

/// Makes the wanted version the record's, and says which version's folder counts for nothing any more.
pub(crate) fn align(
    record: &mut HandlerRecord,
    target_state: TargetState,
    wanted: &HandlerVersion,
) -> Option<HandlerVersion> {
    let other = |version: &HandlerVersion| version.numbers() != wanted.numbers();
    if target_state == TargetState::Enabled {
        if !other(&record.version) {
            return None;
        }
        // Back to the version that an unfinished update was to replace.
        if record.previous.as_ref().is_some_and(|previous| !other(&previous.version)) {
            return back(record);
        }
        let replaced = std::mem::replace(&mut record.version, wanted.clone());
        let installed = matches!(record.state, HandlerState::Installed | HandlerState::Enabled);
        let state = std::mem::replace(&mut record.state, HandlerState::NotInstalled);
        let signature = record.signature.take();
        record.attempt = 1;
        if installed {
            record.previous = Some(PreviousVersion { version: replaced, state, signature });
            record.status = status(HandlerReadiness::Installing, "Plugin is being updated");
            return None;
        }
        return Some(replaced);
    }
    // What is disabled or removed is the installed version, whatever the goal state names.
    let installed = matches!(record.state, HandlerState::Installed | HandlerState::Enabled);
    if installed { None } else { back(record) }
}

/// The version before an update is the handler's again.
fn back(record: &mut HandlerRecord) -> Option<HandlerVersion> {
    let previous = record.previous.take()?;
    record.state = previous.state;
    record.signature = previous.signature;
    Some(std::mem::replace(&mut record.version, previous.version))
}

/// A status without an error number.
pub(crate) fn status(status: HandlerReadiness, message: &str) -> HandlerStatus {
    HandlerStatus { status, code: 0, message: message.to_owned() }
}
