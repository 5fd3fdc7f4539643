//! Extensions where nothing may be executed from `/var`: a flag, by which PID 1 binds the agent's folder on itself with
//! the right to execute before it starts the next command (`var-lib-waagent.mount`).

use anyhow::Result;
use waagent_common::config::{Config, SwitchKey};
use waagent_common::durable;
use waagent_common::place::Place;

/// The unit's condition.
const FLAG: &str = "ext/exec-mount";

/// Sets the flag as `Extensions.ExecMount` says. A mount that is there stays: commands may be at work in it.
pub fn ask(place: &Place, config: &Config) -> Result<()> {
    let flag = place.run(FLAG);
    if !config.switch(SwitchKey::ExtensionsExecMount) {
        durable::remove(&flag)?;
    } else if !flag.exists() {
        durable::write(&flag, b"", 0o644)?;
    }
    Ok(())
}

/// Will the next command find the mount?
pub fn is_asked(place: &Place) -> bool {
    place.run(FLAG).exists()
}
