//! Extensions where nothing may be executed from `/var`: a flag, by which PID 1 binds the agent's folder on itself with
//! the right to execute before it starts the next command (`waagent-exec-mount.service`).

use waagent_common::config::{Config, SwitchKey};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::{Root, STATE_PATH};

use crate::starter::Starter;

/// The unit's condition.
const FLAG: &str = "ext/exec-mount";

/// Sets the flag as `Extensions.ExecMount` says. A mount that is there stays: commands may be at work in it.
///
/// `TryAgain` where systemd runs and didn't know of the wish: the mount would come on top of what the unit's
/// `ReadOnlyPaths=` close for this process, so the program is to be started again, which waits for the mount.
pub fn ask(root: &Root, config: &Config) -> Result<(), Fault> {
    let flag = root.runtime_path(FLAG);
    if !config.switch(SwitchKey::ExtensionsExecMount) {
        durable::remove(&flag)?;
    } else if !flag.exists() {
        durable::write(&flag, b"", 0o644)?;
        if Starter::of(root) == Starter::Systemd {
            let text = format!(
                "asked for a mount of '{STATE_PATH}' (Extensions.ExecMount): to be started again in it"
            );
            return Err(Fault::new(Exit::TryAgain, text));
        }
    }
    Ok(())
}

/// Will the next command find the mount?
pub(crate) fn is_asked(root: &Root) -> bool {
    root.runtime_path(FLAG).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_started_again_for_the_mount_once_and_only_where_systemd_makes_it() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::new(scratch.path());
        for folder in ["etc", "run/waagent/ext"] {
            std::fs::create_dir_all(scratch.path().join(folder)).unwrap();
        }
        let config = || Config::load(scratch.path(), None).unwrap();
        assert_eq!(ask(&root, &config()), Ok(()));
        std::fs::write(root.path("/etc/waagent.conf"), "Extensions.ExecMount=y\n").unwrap();
        assert_eq!(ask(&root, &config()), Ok(()), "no systemd");
        durable::remove(&root.runtime_path(FLAG)).unwrap();
        std::fs::create_dir_all(root.path("/run/systemd/system")).unwrap();
        assert_eq!(ask(&root, &config()).map_err(|fault| fault.exit), Err(Exit::TryAgain));
        assert_eq!(ask(&root, &config()), Ok(()), "it is asked for already");
    }
}
