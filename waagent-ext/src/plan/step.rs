//! The next step of one handler.

pub(crate) use waagent_common::documents::TargetState;
use waagent_common::documents::{CommandKind, Extension, HandlerRecord, HandlerState, PreviousVersion};
use waagent_common::text::shown;
use waagent_common::types::HandlerVersion;

use crate::error::{ExtensionError, code};

/// What the goal state wants of a handler; a word that we don't know is the handler's failure.
pub(crate) fn target_state_of(extension: &Extension) -> Result<TargetState, ExtensionError> {
    extension.state.target_state().ok_or_else(|| {
        let text = format!(
            "[ExtensionError] Unknown requested state for Extension {}: {}",
            extension.name,
            shown(extension.state.as_str())
        );
        ExtensionError::new(code::ENABLE, "ExtensionProcessing", text)
    })
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait for the package, then unpack it.
    Unpack,
    /// Run this command of the wanted version.
    Run(CommandKind),
    /// Run this command of the version that is replaced.
    RunOld(CommandKind, HandlerVersion),
    /// Remove the folder of the version that was replaced.
    DropOld(HandlerVersion),
    /// Remove every folder of the handler, and forget it.
    Remove,
    /// Nothing is left to do.
    Finish,
}

/// The next step towards the wish, from what is known to be done.
///
/// An enable step ends the goal state run for the handler when it succeeds: it is run once for each goal state,
/// whatever the state.
pub(crate) fn next(target_state: TargetState, record: &HandlerRecord) -> Step {
    match target_state {
        TargetState::Enabled => enable(record),
        TargetState::Disabled if record.state == HandlerState::Enabled => Step::Run(CommandKind::Disable),
        TargetState::Disabled => Step::Finish,
        TargetState::Uninstall => uninstall(record.state),
    }
}

fn enable(record: &HandlerRecord) -> Step {
    match (record.state, &record.previous) {
        (HandlerState::NotInstalled | HandlerState::FailedUpgrade | HandlerState::Uninstalled, _) => {
            Step::Unpack
        }
        (HandlerState::Unpacked, Some(previous)) => update(previous),
        (HandlerState::Updated, Some(previous)) => replace(previous),
        (HandlerState::Unpacked | HandlerState::Updated, None) => Step::Run(CommandKind::Install),
        (HandlerState::Installed | HandlerState::Enabled, _) => Step::Run(CommandKind::Enable),
    }
}

fn update(previous: &PreviousVersion) -> Step {
    match previous.state {
        HandlerState::Enabled => Step::RunOld(CommandKind::Disable, previous.version.clone()),
        _ => Step::Run(CommandKind::Update),
    }
}

fn replace(previous: &PreviousVersion) -> Step {
    match previous.state {
        HandlerState::Uninstalled => Step::DropOld(previous.version.clone()),
        _ => Step::RunOld(CommandKind::Uninstall, previous.version.clone()),
    }
}

fn uninstall(state: HandlerState) -> Step {
    match state {
        HandlerState::Enabled => Step::Run(CommandKind::Disable),
        HandlerState::Installed | HandlerState::FailedUpgrade => Step::Run(CommandKind::Uninstall),
        _ => Step::Remove,
    }
}
