//! `waagent status`: the whole chain on one screen, from the documents alone.

use anyhow::Result;
use waagent_common::program::print;
use waagent_common::root::Root;

mod rows;
mod screen;
mod words;

pub use rows::{Row, rows};

/// Prints the screen, or the same as JSON. Exit status 0 when nothing has failed, 1 otherwise, 4 where the documents
/// may not be read.
pub fn show(root: &Root, json: bool) -> Result<u8> {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    if std::fs::read_dir(root.state_path("net")).is_err_and(|error| closed(&error)) {
        return not_permitted(root);
    }
    let rows = rows(root);
    print(&if json { serde_json::to_string_pretty(&rows)? } else { screen::render(&rows) })?;
    Ok(u8::from(rows.iter().any(|row| row.failed)))
}

fn not_permitted(root: &Root) -> Result<u8> {
    let text = format!(
        "cannot read '{}': only root and members of group waagent may; run 'sudo waagent status'",
        root.state_path("").display()
    );
    print(&text)?;
    Ok(4)
}
