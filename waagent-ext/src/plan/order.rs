//! Whose turn it is: removals first, then by dependency level; a failure ends what depends on it.

use waagent_common::documents::{Extension, ItemState, TargetState};

use crate::status::file::StatusWord;

/// All waiting for dependencies of one goal state, in seconds.
pub(crate) const MAX_WAIT_S: u64 = 90 * 60;
/// Highest dependency level that is told apart.
const MAX_LEVEL: i64 = 10_000;

/// Sort key of a handler: enabling from level 0 up, removals below 0, the highest level first.
pub(crate) fn key(extension: &Extension) -> i64 {
    let level = extension.settings.iter().map(|settings| i64::from(settings.dependency_level)).max();
    let level = level.unwrap_or(0).clamp(0, MAX_LEVEL);
    let states = extension.settings.iter().map(|settings| &settings.state).chain([&extension.state]);
    let enabling = states.into_iter().all(|state| state.target_state() == Some(TargetState::Enabled));
    if enabling { level } else { -level - 1 }
}

/// The handlers of a goal state in the order of work; the same key keeps the goal state's order.
pub(crate) fn order(extensions: &[Extension]) -> Vec<&Extension> {
    let mut ordered: Vec<&Extension> = extensions.iter().collect();
    ordered.sort_by_key(|extension| key(extension));
    ordered
}

/// A handler as far as the order is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turnable {
    /// Sort key.
    pub(crate) key: i64,
    /// How far it is.
    pub(crate) state: ItemState,
    /// `<name>-<version>`.
    pub(crate) full_name: String,
    /// The status word that the extension itself reports; none for one without settings.
    pub(crate) word: Option<StatusWord>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This handler's next step.
    Act(usize),
    /// This handler isn't begun at all, for this reason.
    Skip(usize, String),
    /// What it depends on isn't over.
    Wait(usize),
    /// All are over.
    Over,
}

/// Whose turn it is, `waited_s` seconds after the goal state was begun.
pub(crate) fn turn(handlers: &[Turnable], waited_s: u64) -> Turn {
    let Some(index) = handlers.iter().position(|handler| handler.state == ItemState::Open) else {
        return Turn::Over;
    };
    let Some(own) = handlers.get(index).map(|handler| handler.key) else { return Turn::Over };
    for earlier in handlers.iter().take(index).filter(|earlier| earlier.key >= 0 && earlier.key < own) {
        match dependency(earlier, waited_s) {
            Dependency::Met => {}
            Dependency::Open => return Turn::Wait(index),
            Dependency::Failed(why) => return Turn::Skip(index, why),
        }
    }
    Turn::Act(index)
}

enum Dependency {
    Met,
    Open,
    Failed(String),
}

fn dependency(earlier: &Turnable, waited_s: u64) -> Dependency {
    let name = &earlier.full_name;
    if matches!(earlier.state, ItemState::Failed | ItemState::Skipped) {
        let text =
            format!("Skipping processing of extensions since execution of dependent extension {name} failed");
        return Dependency::Failed(text);
    }
    match earlier.word {
        None | Some(StatusWord::Success) => Dependency::Met,
        Some(StatusWord::Error) => {
            Dependency::Failed(format!("Dependent Extension {name} did not succeed. Status was error"))
        }
        Some(word) if waited_s >= MAX_WAIT_S => Dependency::Failed(format!(
            "Dependent Extension {name} did not reach a terminal state within the allowed timeout. \
             Last status was {word}"
        )),
        Some(_) => Dependency::Open,
    }
}
