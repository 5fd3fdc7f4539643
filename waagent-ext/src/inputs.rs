//! The documents that work depends on, as they are now.

use std::time::Duration;

use nix::sys::stat::lstat;
use waagent_common::documents::{
    Body, Certificates, Document, Endpoint, Extension, Foreign, ForeignKind, GoalState, ProvisionState,
    ProvisionStatus,
};
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::time;

use crate::crash_guard::{Guard, stamp};

/// How long the newest goal state waits for its certificates to be unsealed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of the other programs' work.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What the platform wants.
    pub(crate) goal: Option<Document<GoalState>>,
    /// Certificates that were unsealed.
    pub(crate) certificates: Option<Document<Certificates>>,
    /// How far provisioning is.
    pub(crate) provisioning: Option<ProvisionState>,
}

/// A certificate that an extension's protected settings need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// It is there, or none is needed.
    There,
    /// It may still come.
    Awaited(Duration),
    /// It won't come: what to say about it.
    Missing(String),
}

impl Known {
    /// Reads what is there. A damaged goal state is an error: the old plan holds.
    pub(crate) fn read(root: &Root, guard: &Guard<'_>) -> Result<Self, Fault> {
        Ok(Self {
            goal: goal_state(root, guard)?,
            certificates: lenient(Document::read_if_there(root)),
            provisioning: lenient(Document::<ProvisionStatus>::read_if_there(root)).map(|d| d.body.state),
        })
    }

    /// Looks for the certificate of these settings.
    pub(crate) fn certificate(&self, extension: &Extension) -> Certificate {
        let sealed = extension.settings.first().filter(|settings| settings.protected_settings.is_some());
        let Some(wanted) = sealed.and_then(|settings| settings.protected_settings_thumbprint.as_ref()) else {
            return Certificate::There;
        };
        let rows = self.certificates.as_ref().map_or(&[][..], |document| &document.body.certificates);
        let upper = wanted.to_ascii_uppercase();
        if rows.iter().any(|row| row.thumbprint.as_str() == upper && row.has_private_key) {
            return Certificate::There;
        }
        if let Some(left) = self.unsealed_in() {
            return Certificate::Awaited(left);
        }
        let known: Vec<&str> = rows.iter().map(|row| row.thumbprint.as_str()).collect();
        Certificate::Missing(format!(
            "certificate {} for its protected settings isn't on this machine, which has: {}",
            waagent_common::text::shown(&upper),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    }

    /// How long the certificates of this goal state may still take; none where they are there, or it is too late.
    fn unsealed_in(&self) -> Option<Duration> {
        let goal = self.goal.as_ref()?;
        let sealed = goal.body.certificates_sha256.as_ref()?;
        let opened =
            self.certificates.as_ref().and_then(|document| document.inputs.get("sealed-certificates"));
        if opened.is_some_and(|digest| digest == sealed.as_str()) {
            return None;
        }
        let written = time::parse(&goal.written_at)?;
        PATIENCE.checked_sub(time::distance(written)).filter(|left| !left.is_zero())
    }
}

/// The goal state; none where no run came back from reading it.
fn goal_state(root: &Root, guard: &Guard<'_>) -> Result<Option<Document<GoalState>>, Fault> {
    let Ok(file) = lstat(&root.path(GoalState::PATH)) else { return Document::read_if_there(root) };
    let input = Foreign { kind: ForeignKind::GoalState, of: String::new(), stamp: stamp(&file) };
    guard.work(input, || Document::read_if_there(root)).unwrap_or_else(|fault| {
        log::error(&fault.text);
        Ok(None)
    })
}

/// The platform's address, as handlers are told.
pub(crate) fn platform(root: &Root) -> String {
    lenient(Document::<Endpoint>::read_if_there(root))
        .map_or(Endpoint::WELL_KNOWN, |document| document.body.address)
        .to_string()
}

/// A damaged document of lesser weight counts as missing, and is named.
fn lenient<T>(read: Result<Option<T>, Fault>) -> Option<T> {
    read.unwrap_or_else(|fault| {
        log::warning(&format!("{fault}, ignoring"));
        None
    })
}
