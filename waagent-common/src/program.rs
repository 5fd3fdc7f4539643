//! The frame of every program: arguments in, one result line and one exit status out.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use clap::error::ErrorKind;
use waagent_declaration::Policy;

use crate::args::Common;
use crate::config::{Config, Severity, Sources, SwitchKey};
use crate::fault::{Exit, Fault, Outcome, exit_of};
use crate::log;
use crate::sandbox::{Confine, Sandbox};
use crate::sys::heap;

/// How long a program that stays waits for a configuration that it can use: below the time that PID 1 gives a start, 90 s
/// (`DefaultTimeoutStartSec=` of systemd-system.conf(5)).
const PATIENCE: Duration = Duration::from_secs(60);
/// So often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often work is begun at the most when its inputs move under it.
const ROUNDS: usize = 16;

/// Runs a program: parses its arguments, answers `--policy`, and reports what `run` came to.
///
/// Usage errors end with 64 on standard error, help and version with 0 on standard output.
pub fn main<A>(policy: &Policy, run: impl FnOnce(&A) -> Result<Outcome>) -> ExitCode
where
    A: Parser + AsRef<Common>,
{
    heap::return_big_blocks();
    log::start(policy.program, policy.log_thread);
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    if args.as_ref().policy {
        return ExitCode::from(match print(&policy.to_json()) {
            Ok(()) => 0,
            Err(_) => Exit::Io.code(),
        });
    }
    report(run(&args))
}

/// One result line, one exit status.
pub fn report(result: Result<Outcome>) -> ExitCode {
    ExitCode::from(status(result))
}

/// The same for a child that ends by `exit(3)`.
pub fn status(result: Result<Outcome>) -> u8 {
    match result {
        Ok(Outcome::Done(what)) => log::info(&what),
        Ok(Outcome::Unchanged(what)) => log::info(&format!("nothing to do: {what}")),
        Ok(Outcome::Planned(what)) => {
            if print(&what).is_err() {
                return Exit::Io.code();
            }
        }
        Ok(Outcome::Said) => {}
        Ok(Outcome::Ended(status)) => return status,
        Err(error) => {
            log::error(&format!("{error:#}"));
            return exit_of(&error).code();
        }
    }
    0
}

fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let (code, printed) = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => (0, print(text.trim_end())),
        _ => (Exit::Usage.code(), io::stderr().write_all(text.as_bytes())),
    };
    // A closed pipe on --help is no reason to fail differently.
    ExitCode::from(if printed.is_ok() { code } else { Exit::Io.code() })
}

/// Prints a text and a newline on standard output; a closed pipe is an error, never a panic.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Reads the configuration, enters the sandbox, and only then understands what was read.
///
/// The configuration's files are replaced by rename, by editors and by cloud-init at any moment: inside the sandbox a new
/// one would be closed.
pub fn enter(policy: &Policy, args: &Common) -> Result<(Sandbox, Config)> {
    let (sandbox, config) = read_and_enter(policy, args)?;
    let config = config?;
    satisfy(policy, &sandbox, &config)?;
    Ok((sandbox, config))
}

/// The same for a program that stays. With a configuration that can't be used it doesn't work, but waits for another one,
/// a minute at most: then, or when there is one, it ends, to be started again. Who mends the file need do no more.
pub fn enter_to_stay(policy: &Policy, args: &Common) -> Result<(Sandbox, Config)> {
    let (sandbox, config) = read_and_enter(policy, args)?;
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            log::error(&format!("{error}; waiting for another configuration"));
            let until = Instant::now() + PATIENCE;
            while sandbox.moved().is_none() && Instant::now() < until {
                std::thread::sleep(LOOK);
            }
            return Err(
                Fault::new(Exit::TryAgain, "to be started again, with the configuration of then").into()
            );
        }
    };
    satisfy(policy, &sandbox, &config)?;
    Ok((sandbox, config))
}

fn read_and_enter(policy: &Policy, args: &Common) -> Result<(Sandbox, Result<Config, Fault>)> {
    let sources = Sources::read(&args.root, args.configuration_path.as_deref());
    let sandbox = policy.enter(args)?.and(sources.names());
    Ok((sandbox, Config::of(&sources)))
}

/// The word with which a program ends that has to be started anew, if there is a reason.
pub fn outdated(sandbox: &Sandbox) -> Option<Outcome> {
    let path = sandbox.moved()?;
    Some(Outcome::Done(format!("ended, to be started anew: '{}' was replaced or changed", path.display())))
}

/// Works until what was worked on is what is there: a path unit misses what changes while its service runs (systemd.path(5)).
/// Work that looks at its inputs again says so by putting them in place of the old ones.
/// Inputs that don't come to rest are an error (75) that names them; PID 1 starts the program again after it.
pub fn until_unmoved<I: PartialEq, T>(
    what: &str,
    mut read: impl FnMut() -> Result<I>,
    mut work: impl FnMut(&mut I) -> Result<T>,
) -> Result<T> {
    let mut inputs = read()?;
    for _round in 0..ROUNDS {
        let result = work(&mut inputs)?;
        let now = read()?;
        if now == inputs {
            return Ok(result);
        }
        inputs = now;
    }
    Err(Fault::new(Exit::TryAgain, format!("cannot keep up: {what} changed {ROUNDS} times meanwhile")).into())
}

/// Says what is odd in the configuration, and refuses to go on below the declared sandbox if it says so.
fn satisfy(policy: &Policy, sandbox: &Sandbox, config: &Config) -> Result<()> {
    log::set_verbose(config.switch(SwitchKey::LogsVerbose));
    for warning in config.warnings() {
        match warning.severity {
            Severity::Info => log::info(&warning.to_string()),
            Severity::Warning => log::warning(&warning.to_string()),
            Severity::Error => log::error(&warning.to_string()),
        }
    }
    sandbox.satisfies(config.switch(SwitchKey::SandboxRequired))?;
    log::verbose(&format!("{}: configuration {}", policy.program, config.digest_for(policy.program)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs that move so often, and what was worked on.
    fn worked_on(moves: usize) -> (Result<usize>, Vec<usize>) {
        let (mut looks, mut seen) = (0..=moves, Vec::new());
        let read = || Ok(looks.next().unwrap_or(moves));
        let result = until_unmoved("'a'", read, |input| {
            seen.push(*input);
            Ok(*input)
        });
        (result, seen)
    }

    #[test]
    fn works_on_the_newest_and_no_more_often_than_they_move() {
        for moves in [0, 1, 15] {
            let (result, seen) = worked_on(moves);
            assert_eq!((result.unwrap(), seen), (moves, (0..=moves).collect()));
        }
    }

    #[test]
    fn inputs_that_never_come_to_rest_are_named() {
        let (result, seen) = worked_on(100);
        let error = result.unwrap_err();
        assert_eq!((exit_of(&error), seen.len()), (Exit::TryAgain, ROUNDS));
        assert_eq!(error.to_string(), "cannot keep up: 'a' changed 16 times meanwhile");
    }
}
