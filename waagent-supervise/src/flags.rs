//! What the programs ask of PID 1: mounts, swap, the deployment's custom data, commands of handlers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use waagent_common::documents::{CommandResult, CommandState, Document};
use waagent_common::root::{RUNTIME_PATH, Root, STATE_PATH};

use anyhow::Result;

use super::lines::say;
use super::mounts;
use super::programs::Program;
use super::triggers::{Stamp, stamp};

/// Flags that were acted on.
#[derive(Debug)]
pub struct Flags {
    acted: BTreeMap<&'static str, Stamp>,
}

impl Flags {
    /// Flags of an earlier run are no news, as they are none to a path unit.
    pub fn as_they_are() -> Self {
        let acted = FLAGS.iter().map(|flag| (*flag, stamp(&Path::new(RUNTIME_PATH).join(flag)))).collect();
        Self { acted }
    }

    /// Acts on new flags, and says which programs are to run next because of that. While the disk program is at work
    /// its document may not say yet what its flags ask for.
    pub fn act(&mut self, commands: &mut Commands, disk_is_at_work: bool) -> Vec<Program> {
        let mut next = Vec::new();
        if self.is_new("provision/customdata") {
            commands.custom_data();
        }
        if disk_is_at_work {
            return next;
        }
        if self.is_new("disk/mount") && told("mnt-resource.mount", mounts::resource_disk()) {
            next.push(Program::DiskFinish);
        }
        if self.is_new("disk/swap") {
            told("mnt-resource-swapfile.swap", mounts::swap());
        }
        next
    }

    /// A flag that was made anew asks again.
    fn is_new(&mut self, flag: &'static str) -> bool {
        let now = stamp(&Path::new(RUNTIME_PATH).join(flag));
        let before = self.acted.insert(flag, now);
        now.is_some() && before != Some(now)
    }
}

/// Says what came of an act of PID 1, and whether it succeeded.
fn told(unit: &str, result: Result<String>) -> bool {
    match result {
        Ok(what) => say(unit, &what),
        Err(error) => {
            say(unit, &format!("error: {error:#}"));
            return false;
        }
    }
    true
}

/// Commands of handlers, in the order of their appearance.
#[derive(Debug, Default)]
pub struct Commands {
    started: BTreeSet<String>,
    waiting: VecDeque<(Vec<String>, String)>,
}

impl Commands {
    /// Arguments of the runner's next run, and what it is about.
    pub fn take(&mut self) -> Option<(Vec<String>, String)> {
        if self.waiting.is_empty() {
            self.look();
        }
        self.waiting.pop_front()
    }

    /// The deployment's custom data is to be run.
    pub fn custom_data(&mut self) {
        self.waiting.push_back((vec!["--custom-data".to_owned()], CUSTOM_DATA.to_owned()));
    }

    /// A run is over: where it left no result, the runner's second call does.
    pub fn ended(&mut self, detail: &str) {
        let left = !detail.is_empty() && !detail.starts_with(AFTER) && detail != CUSTOM_DATA;
        if left && !Self::has_ended(detail) {
            self.waiting
                .push_front((vec!["--ended".to_owned(), detail.to_owned()], format!("{AFTER}{detail}")));
        }
    }

    fn has_ended(id: &str) -> bool {
        let path = Path::new(STATE_PATH).join("ext/results").join(format!("{id}.result.json"));
        // A result that can't be read is for the runner to replace.
        Document::<CommandResult>::read_at(&Root::new(Path::new("/")), &path)
            .is_ok_and(|result| matches!(result.body.state, CommandState::Exited | CommandState::TimedOut))
    }

    fn look(&mut self) {
        let folder = Path::new(STATE_PATH).join("ext/commands");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                return say("waagent-supervise", &format!("cannot read '{}': {error}", folder.display()));
            }
        };
        let mut ids: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .filter(|id| !id.starts_with('.') && !self.started.contains(id))
            .filter(|id| {
                !Path::new(STATE_PATH).join("ext/results").join(format!("{id}.result.json")).exists()
            })
            .collect();
        ids.sort();
        for id in ids {
            self.started.insert(id.clone());
            self.waiting.push_back((vec![id.clone()], id));
        }
    }
}

pub(crate) const FLAGS: &[&str] = &["provision/customdata", "disk/mount", "disk/swap"];
const AFTER: &str = "after ";
const CUSTOM_DATA: &str = "custom data";
