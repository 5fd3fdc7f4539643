//! Accounts: `systemd-sysusers` where it is installed, else the same file read here and made by the system's tools.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use waagent_common::durable::read_bounded;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::tool::Tool;
use waagent_common::users::{gid_of, uid_of};

const SYSUSERS: &str = "/usr/bin/systemd-sysusers";
const USERADD: &str = "/usr/sbin/useradd";
const GROUPADD: &str = "/usr/sbin/groupadd";
const USERMOD: &str = "/usr/sbin/usermod";
/// Largest table that is read, in bytes.
const MAX: u64 = 64 << 10;

/// Makes the accounts that are missing.
pub fn make(table: &Path) -> Result<()> {
    if Path::new(SYSUSERS).exists() {
        Tool::new(SYSUSERS).arg(table.to_string_lossy()).limit(Duration::from_secs(30)).run()?;
        return Ok(());
    }
    let text = String::from_utf8(read_bounded(table, MAX)?).context("accounts")?;
    for (number, line) in text.lines().enumerate() {
        make_line(line).with_context(|| format!("{}:{}", table.display(), number + 1))?;
    }
    Ok(())
}

fn make_line(line: &str) -> Result<()> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let root = Root::new(Path::new("/"));
    match fields.as_slice() {
        [] => Ok(()),
        [first, ..] if first.starts_with('#') => Ok(()),
        ["g", name, ..] if gid_of(&root, name).is_some() => Ok(()),
        ["u", name, ..] if uid_of(&root, name).is_some() => Ok(()),
        ["g", name, ..] => run(Tool::new(GROUPADD).args(["--system", name])),
        ["u", name, ..] => {
            if gid_of(&root, name).is_none() {
                run(Tool::new(GROUPADD).args(["--system", name]))?;
            }
            let common = ["--system", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin"];
            run(Tool::new(USERADD).args(common).args(["--gid", name, name]))
        }
        ["m", user, group] => run(Tool::new(USERMOD).args(["--append", "--groups", group, user])),
        _ => Err(Fault::new(Exit::Config, "only u, g and m lines are understood").into()),
    }
}

fn run(tool: Tool) -> Result<()> {
    tool.run()?;
    Ok(())
}
