//! What is started again after its end, when, and how often: `Restart=` and its kin of the units.
//!
//! The note of a failure isn't: it would need its unit's name again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use waagent_common::sys::wait::Ended;

use super::programs::Program;

/// How a unit has its program started again.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `RestartSec=`.
    pub(crate) pause: Duration,
    /// `StartLimitBurst=` in a `StartLimitIntervalSec=` of a minute; `None`: what starts it may do so often.
    pub(crate) burst: Option<usize>,
}

const INTERVAL: Duration = Duration::from_secs(60);

/// The programs that wait for their restart.
#[derive(Debug, Default)]
pub struct Restarts {
    due: Vec<(Instant, Program)>,
    starts: BTreeMap<Program, Vec<Instant>>,
}

impl Restarts {
    /// The program is started, by whatever: that counts, and is what a pending restart wanted.
    pub fn begins(&mut self, program: Program, now: Instant) {
        self.due.retain(|(_, waiting)| *waiting != program);
        let starts = self.starts.entry(program).or_default();
        starts.retain(|start| now.saturating_duration_since(*start) < INTERVAL);
        starts.push(now);
    }

    /// The program has ended: in what time it is started again, if it is.
    pub fn ended(&mut self, program: Program, ended: &Ended, now: Instant) -> Option<Duration> {
        let rule = rule(program).filter(|_| is_again(program, ended.code))?;
        let starts = self.starts.get(&program).map_or(0, Vec::len);
        if rule.burst.is_some_and(|burst| starts >= burst) {
            return None;
        }
        self.due.push((now + rule.pause, program));
        Some(rule.pause)
    }

    /// Takes out the programs whose time has come.
    pub fn take(&mut self, now: Instant) -> Vec<Program> {
        let due = self.due.iter().filter(|(at, _)| *at <= now).map(|(_, program)| *program).collect();
        self.due.retain(|(at, _)| *at > now);
        due
    }

    /// Does this one wait for its restart?
    pub fn has(&self, program: Program) -> bool {
        self.due.iter().any(|(_, waiting)| *waiting == program)
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.iter().map(|(at, _)| *at).min()
    }
}

pub(crate) fn rule(program: Program) -> Option<Rule> {
    let unit = program.unit();
    // A note that wasn't written is made with the next failure: here nobody waits for the platform.
    let pause = unit.time("RestartSec").filter(|_| program != Program::FetchFailed)?;
    let is_bounded = unit.time("StartLimitIntervalSec") == Some(INTERVAL);
    let burst = unit.last("StartLimitBurst").filter(|_| is_bounded).and_then(|burst| burst.parse().ok());
    Some(Rule { pause, burst })
}

/// Is this an end after which the program is started again? `code`: its exit status, `None` where a signal ended it.
fn is_again(program: Program, code: Option<i32>) -> bool {
    let is_done = code.is_some_and(|code| program.succeeds_with(code)) && !program.is_resident();
    let is_final = |status: &str| code.is_some_and(|code| status.parse() == Ok(code));
    !is_done && !program.unit().words("RestartPreventExitStatus").any(is_final)
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

    use super::*;

    fn ended(code: Option<i32>) -> Ended {
        let signal = code.is_none().then_some(9);
        Ended { pid: Pid::from_raw(1), code, signal, cpu: Duration::ZERO, peak_memory: 0 }
    }

    #[test]
    fn a_killed_oneshot_is_started_again_and_one_that_said_why_it_failed_is_not() {
        let now = Instant::now();
        for (code, again) in [
            (None, true),
            (Some(75), true),
            (Some(101), true),
            (Some(0), false),
            (Some(78), false),
            (Some(65), false),
        ] {
            for program in [Program::Certs, Program::Disk, Program::Net, Program::Media, Program::Provision] {
                let mut restarts = Restarts::default();
                restarts.begins(program, now);
                let pause = restarts.ended(program, &ended(code), now);
                assert_eq!(pause.is_some(), again, "{program:?} {code:?}");
                assert_eq!(
                    restarts.take(now + Duration::from_secs(5)),
                    pause.map_or(vec![], |_| vec![program])
                );
            }
        }
    }

    /// What its orders start ends when there is none, and with 75 to be started by the next.
    #[test]
    fn transfers_come_again_after_a_crash_alone() {
        let now = Instant::now();
        for (code, again) in
            [(None, true), (Some(71), true), (Some(0), false), (Some(75), false), (Some(77), false)]
        {
            let pause = Restarts::default().ended(Program::Transfer, &ended(code), now);
            assert_eq!(pause.is_some(), again, "{code:?}");
        }
    }

    #[test]
    fn residents_come_again_but_not_after_what_a_restart_cannot_change() {
        let now = Instant::now();
        for (code, again) in
            [(None, true), (Some(0), true), (Some(70), true), (Some(64), false), (Some(77), false)]
        {
            let pause = Restarts::default().ended(Program::Ext, &ended(code), now);
            assert_eq!(pause.is_some(), again, "{code:?}");
        }
    }

    /// As a start limit does: ten in a minute, and then no more in that minute.
    #[test]
    fn what_crashes_again_and_again_is_given_up_but_not_what_a_path_starts() {
        let begin = Instant::now();
        let tries = |program, seconds: u64| {
            let mut restarts = Restarts::default();
            (0..100_u64)
                .map(|run| begin + Duration::from_secs(run * seconds))
                .take_while(|now| {
                    restarts.begins(program, *now);
                    restarts.ended(program, &ended(None), *now).is_some()
                })
                .count()
        };
        assert_eq!(tries(Program::Provision, 1), 9);
        assert_eq!(tries(Program::Provision, 10), 100);
        assert_eq!(tries(Program::Certs, 5), 100);
    }

    #[test]
    fn a_start_by_a_trigger_is_the_restart() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        restarts.ended(Program::Certs, &ended(None), now);
        restarts.begins(Program::Certs, now);
        assert_eq!(restarts.next(), None);
    }
}
