//! `waagent audit`: is what is in force on this machine what the programs declare?
//!
//! The declarations come from the installed programs themselves (`--policy`), which the manifest of the package vouches
//! for. What can't be looked at is said, never taken as good.

use anyhow::Result;
use waagent_common::program::print;

mod declaration;
mod documents;
mod files;
mod finding;
mod labels;
mod machine;
mod processes;
mod properties;
mod screen;
mod units;

pub use finding::{Finding, Layer, State};
pub use machine::Machine;

/// Prints the table, or the same as JSON. Exit status 0 where nothing differs, 1 otherwise.
pub fn show(machine: &Machine, json: bool) -> Result<u8> {
    let findings = findings(machine)?;
    print(&if json { screen::json(&findings)? } else { screen::render(&findings) })?;
    Ok(u8::from(findings.iter().any(|finding| finding.state == State::Differs)))
}

/// All that was compared, layer by layer. An error where nothing is installed that could be compared.
pub fn findings(machine: &Machine) -> Result<Vec<Finding>> {
    let mut found = files::digests(machine);
    let declarations = declaration::all(machine, &mut found)?;
    found.extend(units::compare(machine, &declarations));
    found.extend(processes::compare(machine, &declarations));
    found.extend(documents::compare(machine, &declarations));
    found.extend(files::modes(machine));
    found.extend(labels::compare(machine));
    Ok(found)
}
