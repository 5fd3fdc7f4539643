//! Who starts the runner: PID 1 where systemd runs, else the supervisor, which watches the folder of commands.
//!
//! Never this program: a child would inherit its sandbox, and handlers must have none.

use waagent_common::fault::Fault;
use waagent_common::root::Root;

use crate::systemd;

/// Who starts the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    /// systemd: a unit for each command.
    Systemd,
    /// Whoever watches `ext/commands/`.
    Watcher,
}

impl Starter {
    /// By the rule of sd_booted(3).
    pub(crate) fn of(root: &Root) -> Self {
        if root.path("/run/systemd/system").is_dir() { Self::Systemd } else { Self::Watcher }
    }

    /// Has the command of this id started; its document is there. `TryAgain`: nobody knows whether it will be.
    pub(crate) fn start(self, root: &Root, id: &str) -> Result<(), Fault> {
        match self {
            Self::Systemd => systemd::start_unit(root, &format!("waagent-ext-run@{id}.service")),
            Self::Watcher => Ok(()),
        }
    }
}
