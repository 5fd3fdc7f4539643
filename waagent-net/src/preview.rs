//! `--plan`: what a run would change, in words; nothing is changed.

use anyhow::Result;

use waagent_common::config::{Config, SwitchKey};
use waagent_common::documents::{Document, Endpoint};
use waagent_common::fault::Outcome;
use waagent_common::log;
use waagent_common::root::Root;

use crate::args::Step;
use crate::{endpoint, firewall};

/// Prints what would change.
pub fn print(root: &Root, config: &Config, step: Option<Step>) -> Result<Outcome> {
    let mut lines = Vec::new();
    let address = match step {
        Some(Step::Firewall) => endpoint::known(root, config).0,
        None => {
            let finding = endpoint::find(root, config);
            if let Some(refused) = &finding.refused {
                log::warning(refused);
            }
            // A damaged document is replaced, as a missing one is made.
            let old = Document::<Endpoint>::read_if_there(root).unwrap_or_default();
            if old.is_none_or(|old| old.body != finding.body) {
                lines.push(format!(
                    "write net/endpoint.json: {} ({})",
                    finding.body.address, finding.body.source
                ));
            }
            finding.body.address
        }
    };
    lines.extend(firewall::plan(address, config.switch(SwitchKey::OsEnableFirewall))?);
    if lines.is_empty() {
        return Ok(Outcome::Unchanged(format!("the firewall for {address} is as it should be")));
    }
    Ok(Outcome::Planned(lines.join("\n")))
}
