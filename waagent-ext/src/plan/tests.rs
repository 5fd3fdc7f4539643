//! The planner by itself: random goal states and results, and what must hold of every course of events.

use std::collections::BTreeMap;

use waagent_common::documents::{
    CommandKind, Extension, ExtensionSettings, HandlerRecord, HandlerState, ItemState,
};
use waagent_common::types::{HandlerName, HandlerVersion};

use super::align::{align, fresh};
use super::order::{MAX_WAIT_S, Turn, Turnable, key, order, turn};
use super::step::{Step, TargetState, next, target_state_of};
use crate::status::file::StatusWord;

/// A small generator, so that a failing course can be played again by its seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

fn extension(state: &str, version: &str, level: i32) -> Extension {
    let settings = ExtensionSettings {
        name: None,
        sequence_number: 1,
        state: "enabled".into(),
        dependency_level: level,
        depends_on: Vec::new(),
        public_settings: None,
        protected_settings: None,
        protected_settings_thumbprint: None,
        unreadable: false,
    };
    Extension {
        name: HandlerName::try_from("Test.X").unwrap(),
        version: HandlerVersion::try_from(version).unwrap(),
        state: state.into(),
        encoded_signature: None,
        multi_config: false,
        error: None,
        settings: vec![settings],
    }
}

/// The disk and the handler, as far as the planner's promises are about them.
#[derive(Default)]
struct World {
    /// State of each version's folder, as its own commands have left it.
    folders: BTreeMap<HandlerVersion, &'static str>,
    record: Option<HandlerRecord>,
    run: Vec<(CommandKind, HandlerVersion)>,
}

impl World {
    /// One goal state, played to its end; commands fail by the dice.
    fn play(&mut self, wanted: &Extension, dice: &mut Dice) -> bool {
        let target_state = target_state_of(wanted).unwrap();
        self.run.clear();
        for _ in 0..20 {
            let record = self.record.get_or_insert_with(|| fresh(wanted, None));
            if let Some(stale) = align(record, target_state, &wanted.version) {
                self.folders.remove(&stale);
            }
            let step = next(target_state, self.record.as_ref().unwrap());
            if let Some(ended) = self.take(step, target_state, dice) {
                return ended;
            }
        }
        panic!("no end: {:?}", self.run);
    }

    fn take(&mut self, step: Step, target_state: TargetState, dice: &mut Dice) -> Option<bool> {
        let failed = dice.roll(5) == 0;
        let record = self.record.as_mut().unwrap();
        match step {
            Step::Finish => return Some(true),
            Step::Remove => {
                self.folders.clear();
                self.record = None;
                return Some(true);
            }
            Step::Unpack if failed => return Some(false),
            Step::Unpack => {
                record.state = HandlerState::Unpacked;
                self.folders.insert(record.version.clone(), "unpacked");
            }
            Step::DropOld(version) => {
                assert_eq!(self.folders.remove(&version), Some("uninstalled"));
                record.previous = None;
                record.state =
                    if dice.roll(2) == 0 { HandlerState::Unpacked } else { HandlerState::Installed };
                if record.state == HandlerState::Installed {
                    self.folders.insert(record.version.clone(), "installed");
                }
            }
            Step::Run(kind) => return self.run(kind, target_state, failed),
            Step::RunOld(kind, version) => {
                let folder = self.folders.get_mut(&version).expect("the old version's folder is there");
                assert!(!self.run.contains(&(kind, version.clone())), "twice");
                self.run.push((kind, version));
                if failed {
                    record.state = HandlerState::NotInstalled;
                    return Some(false);
                }
                let previous = record.previous.as_mut().unwrap();
                (*folder, previous.state) = match kind {
                    CommandKind::Disable => ("installed", HandlerState::Installed),
                    _ => ("uninstalled", HandlerState::Uninstalled),
                };
            }
        }
        None
    }

    fn run(&mut self, kind: CommandKind, target_state: TargetState, failed: bool) -> Option<bool> {
        let record = self.record.as_mut().unwrap();
        let version = record.version.clone();
        assert!(!self.run.contains(&(kind, version.clone())), "{kind:?} twice in a goal state");
        self.run.push((kind, version.clone()));
        let others: Vec<&str> =
            self.folders.iter().filter(|(other, _)| **other != version).map(|(_, state)| *state).collect();
        let folder = self.folders.get_mut(&version).expect("a command's folder is there");
        match kind {
            CommandKind::Install => {
                assert!(
                    !others.contains(&"installed") && !others.contains(&"enabled"),
                    "install beside a version"
                );
            }
            CommandKind::Update => assert_eq!(others, ["installed"], "update of exactly one other version"),
            CommandKind::Enable => assert!(matches!(*folder, "installed" | "enabled"), "enable of {folder}"),
            _ => {}
        }
        let (good, state) = match kind {
            CommandKind::Install | CommandKind::Disable => ("installed", HandlerState::Installed),
            CommandKind::Update => ("unpacked", HandlerState::Updated),
            CommandKind::Enable => ("enabled", HandlerState::Enabled),
            _ => ("uninstalled", HandlerState::Uninstalled),
        };
        if failed && kind != CommandKind::Uninstall {
            record.state = match kind {
                CommandKind::Install => HandlerState::NotInstalled,
                CommandKind::Update => HandlerState::FailedUpgrade,
                _ => record.state,
            };
            return Some(false);
        }
        (*folder, record.state) = (good, state);
        (kind == CommandKind::Enable && target_state == TargetState::Enabled).then_some(true)
    }
}

#[test]
fn every_course_of_goal_states_and_failures_keeps_the_promises() {
    for seed in 1..3000 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut world = World::default();
        for _ in 0..8 {
            let state = ["enabled", "enabled", "Enabled", "disabled", "uninstall"][dice.roll(5)];
            let version = ["1.0", "1.1", "2.0"][dice.roll(3)];
            let wanted = extension(state, version, 0);
            let succeeded = world.play(&wanted, &mut dice);
            let enabled = world.folders.values().filter(|state| **state == "enabled").count();
            assert!(enabled <= 1, "seed {seed}: two versions enabled");
            match (target_state_of(&wanted).unwrap(), succeeded) {
                (TargetState::Enabled, true) => {
                    assert_eq!(world.folders.get(&wanted.version), Some(&"enabled"), "seed {seed}");
                    assert_eq!(world.folders.len(), 1, "seed {seed}: {:?}", world.folders);
                }
                (TargetState::Uninstall, true) => assert!(world.folders.is_empty(), "seed {seed}"),
                (TargetState::Disabled, true) => assert_eq!(enabled, 0, "seed {seed}"),
                _ => {}
            }
        }
    }
}

#[test]
fn planning_twice_from_the_same_state_gives_the_same_step() {
    let wanted = extension("enabled", "1.0", 0);
    let record = fresh(&wanted, None);
    let mut aligned = record.clone();
    assert_eq!(align(&mut aligned, TargetState::Enabled, &wanted.version), None);
    assert_eq!(aligned, record);
    assert_eq!(next(TargetState::Enabled, &record), next(TargetState::Enabled, &aligned));
}

#[test]
fn removals_come_first_the_highest_level_before_the_lower() {
    let mut list = vec![
        extension("enabled", "1.0", 2),
        extension("enabled", "1.1", 0),
        extension("uninstall", "1.2", 1),
        extension("disabled", "1.3", 3),
        extension("enabled", "1.4", -7),
        extension("enabled", "1.5", i32::MAX),
    ];
    list[4].settings.clear();
    let versions: Vec<&str> = order(&list).into_iter().map(|extension| extension.version.as_str()).collect();
    assert_eq!(versions, ["1.3", "1.2", "1.1", "1.4", "1.0", "1.5"]);
    assert_eq!(key(&list[5]), 10_000);
}

fn turnable(level: i64, state: ItemState, word: Option<StatusWord>) -> Turnable {
    Turnable { key: level, state, full_name: format!("X-{level}"), word }
}

#[test]
fn a_dependency_is_waited_for_until_its_end_or_ninety_minutes() {
    let above = turnable(1, ItemState::Open, None);
    for (below, waited, expected) in [
        (turnable(0, ItemState::Done, Some(StatusWord::Success)), 0, Turn::Act(1)),
        (turnable(0, ItemState::Done, None), 0, Turn::Act(1)),
        (turnable(0, ItemState::Done, Some(StatusWord::Transitioning)), 0, Turn::Wait(1)),
        (turnable(0, ItemState::Done, Some(StatusWord::Warning)), MAX_WAIT_S - 1, Turn::Wait(1)),
        (turnable(-1, ItemState::Failed, None), 0, Turn::Act(1)),
        (turnable(1, ItemState::Failed, None), 0, Turn::Act(1)),
    ] {
        assert_eq!(turn(&[below.clone(), above.clone()], waited), expected, "{below:?}");
    }
    for (below, waited, why) in [
        (turnable(0, ItemState::Failed, None), 0, "execution of dependent extension X-0 failed"),
        (turnable(0, ItemState::Skipped, None), 0, "execution of dependent extension X-0 failed"),
        (turnable(0, ItemState::Done, Some(StatusWord::Error)), 0, "did not succeed. Status was error"),
        (
            turnable(0, ItemState::Done, Some(StatusWord::Transitioning)),
            MAX_WAIT_S,
            "Last status was transitioning",
        ),
    ] {
        let Turn::Skip(1, text) = turn(&[below, above.clone()], waited) else { panic!("{why}") };
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(turn(&[turnable(0, ItemState::Done, None)], 0), Turn::Over);
}
