//! Step `user`: the account.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use waagent_common::config::TextKey;
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::text::shown;
use waagent_common::tool::{Output, Tool};

use crate::accounts::{LoginDefs, account};
use crate::home;
use crate::pass::{Pass, StepOutcome};

/// Makes the user, its password locked; an ordinary user that is there is taken as it is.
pub(crate) fn create(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let name = pass.plan.user.as_str().to_owned();
    if let Some(account) = account(pass.root, &name) {
        if pass.account_is_ours() && home::repair(pass, &account)? {
            return Ok(StepOutcome::Done(format!("user '{name}', uid {}: finished its home", account.uid)));
        }
        note_oddities(pass, &account.shell);
        let text = format!("user '{name}' already exists, skip useradd (uid {})", account.uid);
        return Ok(StepOutcome::Unchanged(text));
    }
    pass.journal.body.created_user = Some(name.clone());
    pass.journal.write()?;
    add(pass, &name)?;
    let Some(account) = account(pass.root, &name) else {
        let text =
            format!("'{name}' is known to the name service, but not to /etc/passwd; use another UserName");
        bail!(Fault::new(Exit::Os, text));
    };
    if !LoginDefs::read(pass.root).uids().contains(&account.uid) {
        bail!(Fault::new(
            Exit::Os,
            format!("useradd gave '{name}' uid {}, not an ordinary user's", account.uid)
        ));
    }
    let homes = pass.config.text(TextKey::OsHomeDir);
    if !account.home.starts_with(homes) {
        pass.warn(format!("home '{}' isn't below OS.HomeDir '{homes}', ignoring", account.home.display()));
    }
    home::repair(pass, &account)?;
    Ok(StepOutcome::Done(format!("created '{name}', uid {}", account.uid)))
}

/// Statuses of useradd(8): 1 the files are locked, 3 an argument is refused, 9 the name is in use.
fn add(pass: &mut Pass<'_>, name: &str) -> Result<()> {
    let mut may_be_odd = false;
    for attempt in 1.. {
        let output = useradd(pass, name, may_be_odd)?;
        let said = shown(output.stderr.trim());
        match output.status.code() {
            Some(0 | 9) => return Ok(()),
            Some(12) => {
                pass.warn(format!("useradd made no home: {said}, using one of our own making"));
                return Ok(());
            }
            Some(3) if !may_be_odd => {
                pass.warn(format!("useradd doesn't like the name '{name}': {said}, using --badname"));
                may_be_odd = true;
            }
            Some(1) if attempt < 3 => {
                pass.warn(format!("useradd: {said}, ignoring and trying again"));
                // Another tool holds /etc/passwd.lock; there is nothing to wait on but time.
                sleep(Duration::from_secs(5));
            }
            _ => {
                let text = format!("'{USERADD}' failed ({}): {said}", output.status);
                bail!(Fault { errno: output.errno(), ..Fault::new(Exit::Os, text) });
            }
        }
    }
    Ok(())
}

fn useradd(pass: &Pass<'_>, name: &str, may_be_odd: bool) -> Result<Output> {
    if !Path::new(USERADD).exists() {
        bail!(Fault::new(Exit::Os, format!("no '{USERADD}': install the shadow tools")));
    }
    let mut tool = Tool::new(USERADD).arg("-m").limit(Duration::from_secs(30));
    if has_bash(pass) {
        tool = tool.args(["-s", BASH]);
    }
    if let Some(gid) = pass.plan.group {
        tool = tool.arg("-g").arg(gid.to_string());
    }
    if may_be_odd {
        tool = tool.arg("--badname");
    }
    if !pass.root.is_live() {
        tool = tool.arg("--prefix").arg(pass.root.root().to_string_lossy());
    }
    Ok(tool.arg("--").arg(name).output()?)
}

fn has_bash(pass: &Pass<'_>) -> bool {
    let shells = durable::read_bounded(&pass.root.path("/etc/shells"), 64 << 10).unwrap_or_default();
    Path::new(BASH).exists() && String::from_utf8_lossy(&shells).lines().any(|line| line.trim() == BASH)
}

fn note_oddities(pass: &mut Pass<'_>, shell: &str) {
    if shell.ends_with("/nologin") || shell.ends_with("/false") {
        pass.warn(format!("shell of '{}' is '{}': no login, ignoring", pass.plan.user, shown(shell)));
    }
}

const USERADD: &str = "/usr/sbin/useradd";
const BASH: &str = "/bin/bash";
