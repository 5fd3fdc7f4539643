//! Who starts the runner: PID 1 where systemd runs, else the supervisor, which watches the folder of commands.
//!
//! Never this program: a child would inherit its sandbox, and handlers must have none.

use waagent_common::fault::Fault;
use waagent_common::place::Place;

use crate::systemd;

/// Who starts the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starter {
    /// systemd: a unit for each command.
    Systemd,
    /// Whoever watches `ext/commands/`.
    Watcher,
}

impl Starter {
    /// By the rule of sd_booted(3). A scratch root never has a systemd of its own.
    pub fn of(place: &Place) -> Self {
        let booted = place.is_live() && place.path("/run/systemd/system").is_dir();
        if booted { Self::Systemd } else { Self::Watcher }
    }

    /// Has the command of this id started; its document is there.
    pub fn start(self, id: &str) -> Result<(), Fault> {
        match self {
            Self::Systemd => systemd::start_unit(&format!("waagent-ext-run@{id}.service")),
            Self::Watcher => Ok(()),
        }
    }
}
