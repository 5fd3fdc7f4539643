//! Handlers that another agent installed: taken over as they are, once.

use std::fs;

use waagent_common::documents::HandlerState;
use waagent_common::folder::Folder;
use waagent_common::root::Root;
use waagent_common::types::{HandlerName, HandlerVersion};

/// A handler's folder, as its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// Handler, spelled as the folder is.
    pub(crate) name: HandlerName,
    /// Version.
    pub(crate) version: HandlerVersion,
    /// What `config/HandlerState` says; a missing or odd one says nothing is installed.
    pub(crate) state: HandlerState,
}

/// Folders that are looked at, more than a goal state's handlers have.
const MAX_FOLDERS: usize = 2000;

/// The folders of the handlers that are meant: `<name>-<version>` with a `HandlerState` in it.
pub(crate) fn folders(root: &Root, meant: impl Fn(&HandlerName) -> bool) -> Vec<Installed> {
    let Ok(entries) = fs::read_dir(root.state_path("")) else { return Vec::new() };
    let mut found: Vec<Installed> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let (name, version) = name.to_str()?.rsplit_once('-')?;
            let name = HandlerName::try_from(name).ok().filter(&meant)?;
            let version = HandlerVersion::try_from(version).ok()?;
            let state = state_in(&Folder::open(&entry.path()).ok()?)?;
            Some(Installed { name, version, state })
        })
        .take(MAX_FOLDERS)
        .collect();
    found.sort_by_key(|handler| (handler.name.as_str().to_ascii_lowercase(), handler.version.numbers()));
    found
}

/// The installed version of this handler: the highest whose folder says so.
pub(crate) fn installed(root: &Root, name: &HandlerName) -> Option<Installed> {
    folders(root, |found| found.as_str().eq_ignore_ascii_case(name.as_str()))
        .into_iter()
        .rfind(|handler| matches!(handler.state, HandlerState::Installed | HandlerState::Enabled))
}

fn state_in(base: &Folder) -> Option<HandlerState> {
    let (word, _) = base.enter("config").ok()?.read("HandlerState", 64).ok()?;
    Some(match word.trim_ascii() {
        b"Installed" => HandlerState::Installed,
        b"Enabled" => HandlerState::Enabled,
        b"FailedUpgrade" => HandlerState::FailedUpgrade,
        _ => HandlerState::NotInstalled,
    })
}
