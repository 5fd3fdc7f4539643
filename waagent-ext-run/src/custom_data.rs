//! The deployment's custom data: run once, when provisioning says so.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use anyhow::{Context, Result};
use waagent_common::command::output::Stream;
use waagent_common::command::{environment, noexec};
use waagent_common::digest::sha256;
use waagent_common::documents::{CommandState, Inputs};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::time;

use super::launch::{self, Launch};
use super::result::Results;

/// Its time.
const LIMIT: Duration = Duration::from_secs(3600);
/// Custom data is at most 65 535 bytes (Azure's limit), base64 a third more.
const MAX: u64 = 128 << 10;
/// Names its result.
const ID: &str = "custom-data";

/// Runs `CustomData` if the flag is there and no result is: `started` counts, so that a script that reboots or hangs
/// isn't run again.
pub fn run(root: &Root, sandbox: &Sandbox) -> Result<Outcome> {
    if !root.runtime_path("provision/customdata").exists() {
        return Ok(Outcome::Unchanged("provisioning doesn't ask for custom data to be run".to_owned()));
    }
    let script = root.state_path("CustomData");
    let bytes = durable::read_bounded(&script, MAX)?;
    let results = Results::new(root, ID, Inputs::new().digest("custom-data", &sha256(&bytes)), sandbox);
    let Some((mark, _)) = results.claim()? else {
        return Ok(Outcome::Unchanged("custom data was run before, and never is a second time".to_owned()));
    };
    drop(mark);
    if let Some(why) = unfit(&bytes) {
        results.interrupt(why)?;
        return Ok(Outcome::Done(format!("custom data wasn't run: {why}")));
    }
    let mut result = results.begun(CommandState::Started);
    results.write(&result)?;
    let ending = execute(root, &bytes, &mut result.stdout_bytes)?;
    result.state = if ending.timed_out { CommandState::TimedOut } else { CommandState::Exited };
    (result.exit_code, result.signal) = (ending.code, ending.signal);
    result.ended_at = Some(time::now_micros());
    results.write(&result)?;
    let end = match (ending.code, ending.signal) {
        (Some(code), _) => format!("status {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    };
    Ok(Outcome::Done(format!("custom data was run, {end}")))
}

fn unfit(bytes: &[u8]) -> Option<&'static str> {
    let program = bytes.starts_with(b"\x7fELF");
    match bytes {
        [] => Some("it is empty"),
        _ if !program && bytes.contains(&0) => Some("it is neither text nor a program"),
        _ => None,
    }
}

/// A script with an interpreter line, or a program, is executed; other text is for the shell.
fn execute(root: &Root, bytes: &[u8], written: &mut u64) -> Result<launch::Ending> {
    let script = root.state_path("CustomData");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot set the mode of '{}'", script.display()))?;
    let log = root.path("/var/log/azure/customdata.log");
    let out = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&log)
        .map_err(|e| Fault::new(Exit::CannotCreate, format!("cannot open '{}': {e}", log.display())))?;
    let path = script.to_str().context("the path of CustomData isn't text")?;
    // What nothing may be executed from can still be read by the shell.
    let program = bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF");
    let direct = program && noexec::mount_of(&script).is_none();
    let quoted = format!("'{}'", path.replace('\'', "'\\''"));
    let arguments = if direct { vec!["-c", quoted.as_str()] } else { vec![path] };
    let shell = root.path("/bin/sh");
    let environment: BTreeMap<String, String> = environment::basic(root, false);
    let directory = root.state_path("");
    let launch = Launch {
        shell: &shell,
        arguments: &arguments,
        environment: &environment,
        directory: &directory,
        limit: LIMIT,
    };
    let mut streams = [Stream::of(&log)?];
    let mut child = launch.start(&out, &out).context("cannot start the custom data")?;
    let ending = launch::wait(&mut child, LIMIT, &mut streams, &[&log])?;
    *written = streams.iter().map(Stream::bytes).sum();
    Ok(ending)
}
