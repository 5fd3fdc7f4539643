//! What would pile up: folders of killed runs, removed handlers, old commands and their output.

use std::fs;
use std::path::{Path, PathBuf};

use waagent_common::command::output;
use waagent_common::documents::{Body, Command, CommandResult};
use waagent_common::log;
use waagent_common::remove;
use waagent_common::types::HandlerName;

use super::{Engine, is};
use crate::extension_events;
use crate::handler::adopt;
use crate::handler::paths::HandlerPaths;
use crate::package::unpack::beside;

/// Commands and results that are kept.
const KEPT: usize = 50;
/// Left-over files and folders that are named.
const LEFT_OVER: usize = 256;

impl Engine<'_> {
    /// Throws away what a killed run left behind: half-unpacked folders, folders that were to be removed.
    pub(super) fn clear_left_overs(&mut self) {
        let Ok(entries) = fs::read_dir(self.root.state_path("")) else { return };
        let mut left = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && (name.ends_with(".unpack") || name.contains(".trash-")) {
                left.extend(remove::tree(&entry.path()));
                left.truncate(LEFT_OVER);
            }
        }
        self.state.left_over.clear();
        self.note_left(left);
    }

    /// Removes a handler's folder: first its name, so that it is free, then what is in it as far as that goes.
    pub(super) fn remove_folder(&mut self, home: &HandlerPaths) {
        let aside = (0..100)
            .map(|n| beside(home, &format!("trash-{n}")))
            .find(|path| path.symlink_metadata().is_err());
        let Some(aside) = aside else {
            return log::warning(&format!(
                "cannot remove '{}': 100 are waiting, ignoring",
                home.base().display()
            ));
        };
        match fs::rename(home.base(), &aside) {
            Ok(()) => {
                let left = remove::tree(&aside);
                if let Some(first) = left.first() {
                    log::warning(&format!(
                        "removed '{}', but {first} is left, ignoring",
                        home.base().display()
                    ));
                }
                self.note_left(left);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                log::warning(&format!("cannot remove '{}': {error}, ignoring", home.base().display()));
                self.note_left(vec![home.base().display().to_string()]);
            }
        }
    }

    /// Names what couldn't be removed, as far as there is room.
    fn note_left(&mut self, left: Vec<String>) {
        self.state.left_over.extend(left);
        self.state.left_over.truncate(LEFT_OVER);
    }

    /// Removes every version's folder of a handler.
    pub(super) fn remove_folders(&mut self, name: &HandlerName) {
        let known = self.record(name).map(|record| (record.name.clone(), record.version.clone()));
        let found = adopt::folders(self.root, |found| is(found, name))
            .into_iter()
            .map(|folder| (folder.name, folder.version));
        let all: Vec<_> = known.into_iter().chain(found).collect();
        for (name, version) in all {
            let home = self.home(&name, &version);
            self.remove_folder(&home);
        }
    }

    /// Keeps the newest commands and results, and the rest of the house.
    pub(super) fn prune(&self) {
        let commands = self.root.path(Command::PATH);
        let results = self.root.path(CommandResult::PATH);
        let mut ids: Vec<String> = files(&commands)
            .filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned()))
            .filter(|id| !id.starts_with('.'))
            .collect();
        ids.sort_by_key(|id| number(id));
        let surplus = ids.len().saturating_sub(KEPT);
        for id in ids.iter().take(surplus) {
            for path in files(&results).filter(|path| belongs(path, id)) {
                discard(&path);
            }
            discard(&commands.join(format!("{id}.json")));
        }
        self.enforce_limits();
    }

    /// What others write on their own stays within its bounds: output of left processes, events of handlers.
    pub(crate) fn enforce_limits(&self) {
        self.cut_outputs();
        extension_events::bound(self.root, &self.settings.logs);
    }

    /// Output that a left process still writes stays within its bound.
    fn cut_outputs(&self) {
        for path in files(&self.root.path(CommandResult::PATH)) {
            let stream = path.extension().is_some_and(|extension| extension == "out" || extension == "err");
            if stream && let Err(error) = output::cut_left_over(&path) {
                log::warning(&format!("cannot cut '{}': {error}, ignoring", path.display()));
            }
        }
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Ids are `<milliseconds>-<count>`: the count rises even when the clock is set back.
fn number(id: &str) -> u64 {
    id.rsplit_once('-').and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

fn belongs(path: &Path, id: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix(id).is_some_and(|rest| rest.starts_with('.'))
}

pub(super) fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        log::warning(&format!("cannot remove '{}': {error}, ignoring", path.display()));
    }
}
