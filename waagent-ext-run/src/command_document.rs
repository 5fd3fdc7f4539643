//! The command document, checked: it may ask for a command below its handler's folder, and nothing else.

use std::path::Path;

use waagent_common::documents::{Body, Command, CommandKind, Document};
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::text::shown;

/// Reads the document of this id, and refuses what a planner of ours wouldn't write.
pub(crate) fn read(root: &Root, id: &str) -> Result<Document<Command>, Fault> {
    let path = root.path(Command::PATH).join(format!("{id}.json"));
    let document = Document::<Command>::read_at(root, &path)?;
    check(root, id, &document.body)
        .map_err(|fault| fault.of(format_args!("cannot run '{}'", path.display())))?;
    Ok(document)
}

fn check(root: &Root, id: &str, command: &Command) -> Result<(), Fault> {
    if command.id != id {
        return Err(Fault::data(format!("body.id: '{}', not the file's name", shown(&command.id))));
    }
    if command.timeout_s == 0 {
        return Err(Fault::data("body.timeout_s: 0"));
    }
    let bad = |c: char| c == '\0';
    if command.command.contains(bad) || command.directory.contains(bad) {
        return Err(Fault::data("body.command: holds a NUL"));
    }
    if let Some((name, _)) = command.environment.iter().find(|(name, value)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') || name.starts_with("LD_")
    }) {
        return Err(Fault::data(format!("body.environment: unfit variable '{}'", shown(name))));
    }
    match command.kind {
        CommandKind::Remove => removable(root, command),
        CommandKind::Services | CommandKind::CustomData => {
            Err(Fault::data(format!("body.kind: {} isn't run from a document", command.kind)))
        }
        _ => below_the_handler(root, command),
    }
}

/// The folder is the handler's own, and the command begins in it.
fn below_the_handler(root: &Root, command: &Command) -> Result<(), Fault> {
    let handler = command.handler.as_ref().ok_or_else(|| Fault::data("body.handler: missing"))?;
    let folder = root.state_path(format!("{}-{}", handler.name, handler.version));
    if Path::new(&command.directory) != folder {
        return Err(Fault::data(format!(
            "body.directory: '{}' isn't the handler's folder",
            shown(&command.directory)
        )));
    }
    if !command.command.starts_with(&format!("{}/", command.directory)) {
        return Err(Fault::data(format!(
            "body.command: '{}' isn't below the handler's folder",
            shown(&command.command)
        )));
    }
    Ok(())
}

/// Only what the planner renamed for removal.
fn removable(root: &Root, command: &Command) -> Result<(), Fault> {
    let path = Path::new(&command.command);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let trash = name.starts_with('.') && name.contains(".trash-") && path == root.state_path(name);
    if trash {
        Ok(())
    } else {
        Err(Fault::data(format!("body.command: '{}' isn't removable", shown(&command.command))))
    }
}
