//! What changes: documents of other programs, results, and the status files of handlers.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::sys::inotify::AddWatchFlags;
use waagent_common::root::Root;
use waagent_common::watch::{self, Change};

use crate::handler::paths::HandlerPaths;

/// What has changed since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// A document of another program.
    pub documents: bool,
    /// A package, or the result of a command.
    pub results: bool,
    /// A status or heartbeat file.
    pub statuses: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// This name in the folder matters.
    Document(&'static str),
    /// Names with this end matter.
    Result(&'static str),
    Status,
    Heartbeat,
}

/// The watches. A queue that overflowed says that everything changed.
#[derive(Debug)]
pub struct Watch {
    watched: watch::Watch<(Kind, PathBuf)>,
}

/// The end of a status file's name; without case, as handlers write it.
const STATUS: &str = ".status";
/// Documents are renamed into place.
const RENAMED: AddWatchFlags = AddWatchFlags::IN_MOVED_TO;

impl Watch {
    /// Watches the documents' folders.
    pub fn new(root: &Root) -> Result<Self> {
        let mut watch = Self { watched: watch::Watch::new()? };
        let folders = [
            ("fetch", Kind::Document("goal-state.json")),
            ("certs", Kind::Document("certificates.json")),
            ("provision", Kind::Document("status.json")),
            ("fetch/packages", Kind::Result(".json")),
            ("ext/results", Kind::Result(".result.json")),
        ];
        for (folder, kind) in folders {
            let path = root.state_path(folder);
            let hint = "systemd-tmpfiles --create makes it";
            watch
                .add(path.clone(), kind, RENAMED)
                .with_context(|| format!("cannot watch '{}'; {hint}", path.display()))?;
        }
        Ok(watch)
    }

    /// Watches the status folders of these handlers, and the folders of those with a heartbeat.
    pub fn follow(&mut self, homes: &[(HandlerPaths, bool)]) {
        let status = RENAMED
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        for (home, heartbeat) in homes {
            // Made by the planner before the handler's first command; until then there is nothing to see.
            let _not_yet = self.follow_one(home.base().join("status"), Kind::Status, status);
            if *heartbeat {
                let _not_yet = self.follow_one(
                    home.base().to_owned(),
                    Kind::Heartbeat,
                    RENAMED | AddWatchFlags::IN_CLOSE_WRITE,
                );
            }
        }
        self.watched.retain(|(kind, path)| {
            !matches!(kind, Kind::Status | Kind::Heartbeat)
                || homes.iter().any(|(home, _)| path.starts_with(home.base()))
        });
    }

    fn follow_one(&mut self, path: PathBuf, kind: Kind, mask: AddWatchFlags) -> nix::Result<()> {
        if self.watched.has(|(known, watched)| *known == kind && *watched == path) {
            return Ok(());
        }
        self.add(path, kind, mask)
    }

    fn add(&mut self, path: PathBuf, kind: Kind, mask: AddWatchFlags) -> nix::Result<()> {
        let mask = mask | AddWatchFlags::IN_ONLYDIR | AddWatchFlags::IN_DONT_FOLLOW;
        self.watched.add(&path.clone(), mask, (kind, path))
    }

    /// What changed.
    pub fn changes(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        self.watched.changes(|change| match change {
            Change::Overflow => changes = Changes { documents: true, results: true, statuses: true },
            Change::In((kind, _), name) => note(&mut changes, *kind, &name),
            // The folder was removed or replaced: the next one is watched when it is there.
            Change::Gone((kind, _)) => changes.statuses |= *kind == Kind::Status,
        })?;
        Ok(changes)
    }
}

fn note(changes: &mut Changes, kind: Kind, name: &str) {
    match kind {
        Kind::Document(wanted) => changes.documents |= name == wanted,
        Kind::Result(end) => changes.results |= name.ends_with(end) && !name.starts_with('.'),
        Kind::Status => changes.statuses |= name.ends_with(STATUS),
        Kind::Heartbeat => changes.statuses |= name == "heartbeat.log",
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}
