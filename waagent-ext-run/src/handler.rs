//! One command of a handler, from its document to its result.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use waagent_common::command::output::Stream;
use waagent_common::documents::{
    Command, CommandKind, CommandResult, CommandState, Document, HandlerRef, Inputs,
};
use waagent_common::fault::{Fault, Outcome};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::shown;
use waagent_common::time;
use waagent_common::{boot, remove};

use super::command_document;
use super::launch::{self, Ending, Launch};
use super::result::Results;

/// Runs the command of this id, unless it was begun before.
pub fn run(root: &Root, id: &str, sandbox: &Sandbox) -> Result<Outcome> {
    let order = match command_document::read(root, id) {
        Ok(order) => order,
        Err(fault) => return refuse(&Results::new(root, id, Inputs::new(), sandbox), fault),
    };
    let results = Results::new(root, id, Inputs::new().document(&order), sandbox);
    let Some((out, err)) = results.claim()? else {
        return Ok(Outcome::Unchanged(format!("command {id} was run before, and never is a second time")));
    };
    if order.body.boot_id != boot::id() {
        results.interrupt("interrupted by a restart of the machine")?;
        return Ok(Outcome::Unchanged(format!("command {id} belongs to another boot")));
    }
    let mut result = results.begun(CommandState::Started);
    results.write(&result)?;
    conduct(root, &order, &results, &mut result, &(out, err))?;
    result.ended_at = Some(time::now_micros());
    results.write(&result)?;
    Ok(Outcome::Done(summary(&order, &result)))
}

/// A document that isn't to be carried out leaves a result that says so: nobody waits for it.
fn refuse(results: &Results<'_>, fault: Fault) -> Result<Outcome> {
    if results.claim()?.is_some() {
        results.interrupt(&fault.text)?;
    }
    Err(fault.into())
}

fn conduct(
    root: &Root,
    order: &Document<Command>,
    results: &Results<'_>,
    result: &mut CommandResult,
    output: &(File, File),
) -> Result<()> {
    let command = &order.body;
    if command.kind == CommandKind::Remove {
        remove(command, result);
        return Ok(());
    }
    let shell = root.path("/bin/sh");
    let launch = Launch {
        shell: &shell,
        arguments: &["-c", &command.command],
        environment: &command.environment,
        directory: Path::new(&command.directory),
        limit: Duration::from_secs(command.timeout_s.into()),
    };
    let paths = [results.path("out"), results.path("err")];
    let mut streams = [Stream::of(&paths[0])?, Stream::of(&paths[1])?];
    match launch.start(&output.0, &output.1) {
        Ok(mut child) => {
            let ending = launch::wait(&mut child, launch.limit, &mut streams, &[&paths[0], &paths[1]])?;
            let [out, err] = streams.map(|stream| stream.bytes());
            (result.stdout_bytes, result.stderr_bytes) = (out, err);
            tell(result, ending);
        }
        Err(error) => {
            result.state = CommandState::Interrupted;
            result.error = Some(format!("Failed to launch '{}': {error}", shown(&command.command)));
        }
    }
    Ok(())
}

fn tell(result: &mut CommandResult, ending: Ending) {
    result.state = if ending.timed_out { CommandState::TimedOut } else { CommandState::Exited };
    result.exit_code = ending.code;
    result.signal = ending.signal;
}

fn remove(command: &Command, result: &mut CommandResult) {
    result.state = CommandState::Exited;
    let left = remove::tree(Path::new(&command.command));
    result.exit_code = Some(i32::from(!left.is_empty()));
    result.error = left.first().map(|first| format!("{} entries are left, the first: {first}", left.len()));
}

/// The line for people: what ran, and how it ended.
fn summary(order: &Document<Command>, result: &CommandResult) -> String {
    let handler = order.body.handler.as_ref().map_or_else(String::new, full_name);
    let kind = order.body.kind;
    let end = match (result.state, result.exit_code, result.signal) {
        (CommandState::TimedOut, ..) => format!("was ended after {} s", order.body.timeout_s),
        (_, Some(code), _) => format!("ended with status {code}"),
        (_, None, Some(signal)) => format!("was ended by signal {signal}"),
        _ => result.error.clone().unwrap_or_default(),
    };
    format!("{handler}: {kind} command {end}")
}

fn full_name(handler: &HandlerRef) -> String {
    format!("{}-{}", handler.name, handler.version)
}
