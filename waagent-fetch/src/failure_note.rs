//! `waagent-fetch failed <unit>`: a note that a unit failed, for the fetcher to tell.

use std::env;
use std::fs;

use serde::de::IgnoredAny;
use waagent_common::documents::{Document, Failed, Inputs, UntypedDocument, Written, write_at};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::shown;

use crate::wakeup::Folder;

/// Writes `fetch/failed/<unit>.json` from what systemd told in `$MONITOR_*` (systemd.exec(5)).
pub fn note(root: &Root, sandbox: &Sandbox, unit: &str) -> Result<Outcome, Fault> {
    // An instance of waagent-failed@ is started with the unit's name; by hand it may come without its suffix.
    let unit = if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") };
    if !is_unit_name(&unit) {
        return Err(Fault::new(Exit::Usage, format!("'{}' is no name of one of our units", shown(&unit))));
    }
    let folder = root.state_path("fetch/failed");
    fs::create_dir_all(&folder).map_err(|error| {
        Fault::new(Exit::CannotCreate, format!("cannot make '{}': {error}", folder.display()))
    })?;
    let path = folder.join(format!("{unit}.json"));
    let others = fs::read_dir(&folder)
        .map_err(|error| Fault::io(format!("cannot read '{}': {error}", folder.display())))?
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path() != path))
        .count();
    if others >= MAX_NOTES {
        let text = format!("'{}' holds {others} notes already; remove some", folder.display());
        return Err(Fault::new(Exit::CannotCreate, text));
    }
    let monitor = |name: &str| {
        let value = env::var(format!("MONITOR_{name}")).unwrap_or_default();
        waagent_common::text::one_line(&value, 48)
    };
    let failed = Failed {
        unit: unit.clone(),
        result: monitor("SERVICE_RESULT"),
        exit_code: monitor("EXIT_CODE"),
        exit_status: monitor("EXIT_STATUS"),
    };
    match write_at(root, &path, &failed, &Inputs::new(), sandbox)? {
        Written::Changed => Ok(Outcome::Done(format!(
            "noted that {unit} failed: {} ({} {})",
            failed.result, failed.exit_code, failed.exit_status
        ))),
        Written::Unchanged => Ok(Outcome::Unchanged(format!("the failure of {unit} is noted already"))),
    }
}

/// Removes the notes of units that have written a document since.
pub(crate) fn forget(root: &Root, folder: Folder) {
    let (units, document): (&[&str], &str) = match folder {
        Folder::Certs => (&["waagent-certs.service"], "certs/certificates.json"),
        Folder::Ext => (&["waagent-ext.service"], "ext/status.json"),
        Folder::Failed => return,
        Folder::Net => (&["waagent-net.service"], "net/endpoint.json"),
        Folder::Provision => {
            (&["waagent-provision.service", "waagent-provision-late.service"], "provision/status.json")
        }
    };
    for unit in units {
        let path = root.state_path(format!("fetch/failed/{unit}.json"));
        let Ok(Some(note)) = Document::<Failed>::read_at_if_there(root, &path) else { continue };
        let is_over = UntypedDocument::<IgnoredAny>::read(&root.state_path(document))
            .is_ok_and(|it| it.written_at > note.written_at);
        if is_over && let Err(fault) = durable::remove(&path) {
            log::error(&fault.text);
        }
    }
}

fn is_unit_name(unit: &str) -> bool {
    unit.len() <= 128
        && unit.starts_with("waagent")
        && unit.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
}

/// Files in the folder.
const MAX_NOTES: usize = 16;
