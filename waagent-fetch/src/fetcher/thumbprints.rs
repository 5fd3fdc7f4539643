//! A goal state by Fast Track can name a certificate that the WireServer hasn't given yet: after hibernation the
//! tenant's certificate is new under the same incarnation. Asking for everything again, twice at most, brings it.

use waagent_common::documents::{Certificates, Document, GoalState, GoalStateSource};
use waagent_common::text::shown;

use super::Fetcher;

/// How often everything was asked for again because of one goal state.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    goal_state_id: String,
    refreshes: u32,
}

/// What is to be done about a certificate that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cure {
    /// Nothing is missing, or nothing helps.
    None,
    /// Ask for everything at once.
    Now,
    /// Ask for everything after one period.
    Later,
}

impl Fetcher {
    /// Looks whether the certificates that were unsealed are those that the goal state's settings need.
    pub(crate) fn missing_certificate(&mut self) -> Cure {
        let Some((id, what)) = self.needed_and_missing() else { return Cure::None };
        if self.missing.goal_state_id != id {
            self.missing = Missing { goal_state_id: id, refreshes: 0 };
        }
        self.missing.refreshes += 1;
        match self.missing.refreshes {
            1 => Cure::Now,
            2 => Cure::Later,
            3 => {
                waagent_common::log::warning(&format!("{what}; its settings can't be opened, ignoring it"));
                Cure::None
            }
            _ => Cure::None,
        }
    }

    /// The goal state's id, and which certificate of which extension isn't there. None while they are still sealed.
    fn needed_and_missing(&self) -> Option<(String, String)> {
        // What can't be read is said where it is used.
        let goal_state = Document::<GoalState>::read_if_there(&self.root).ok().flatten()?.body;
        if goal_state.source != GoalStateSource::FastTrack {
            return None;
        }
        let opened = Document::<Certificates>::read_if_there(&self.root).ok().flatten()?;
        let sealed = goal_state.certificates_sha256.as_ref()?;
        if opened.inputs.get("sealed-certificates").map(String::as_str) != Some(sealed.as_str()) {
            return None;
        }
        let is_there = |thumbprint: &str| {
            let rows = &opened.body.certificates;
            rows.iter().any(|row| row.thumbprint.as_str().eq_ignore_ascii_case(thumbprint))
        };
        goal_state.extensions.iter().find_map(|extension| {
            let mut needed = extension
                .settings
                .iter()
                .filter_map(|settings| settings.protected_settings_thumbprint.as_deref());
            let missing = needed.find(|thumbprint| !is_there(thumbprint))?;
            let what =
                format!("certificate '{}' of '{}' isn't in the goal state", shown(missing), extension.name);
            Some((goal_state.id.clone(), what))
        })
    }
}
