//! Password hashes in `/etc/shadow`, by the system's own tools; below a scratch root, where these only know chroot(2),
//! in its file directly.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::secret::Secret;
use waagent_common::tool::Tool;

/// What an account's password field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// A hash: a password may be tried.
    Usable,
    /// `!`, `*` or anything else that no password matches.
    Locked,
    /// Empty: no password is asked for.
    Empty,
}

/// The state of an account's password field.
pub(crate) fn field(root: &Root, user: &str) -> Result<Field> {
    if !root.is_live() {
        return Ok(classify(&line(root, user)?));
    }
    let output = Tool::new(PASSWD).args(["-S", "--"]).arg(user).limit(LIMIT).run()?;
    // `P` of shadow, `PS` of Red Hat's passwd, and so on.
    match output.stdout.split_whitespace().nth(1) {
        Some("P" | "PS") => Ok(Field::Usable),
        Some("L" | "LK") => Ok(Field::Locked),
        Some("NP") => Ok(Field::Empty),
        _ => bail!(Fault::new(Exit::Os, format!("'{PASSWD} -S' doesn't know the password of '{user}'"))),
    }
}

/// Sets the field, which must be a hash or a mark; only over standard input, never as an argument.
pub(crate) fn set(root: &Root, user: &str, field: &Secret<String>) -> Result<()> {
    if !root.is_live() {
        return set_in_file(root, user, field);
    }
    if !Path::new(CHPASSWD).exists() {
        bail!(Fault::new(Exit::Os, format!("no '{CHPASSWD}': install the shadow tools")));
    }
    let input = Secret::new(format!("{user}:{}\n", field.expose()).into_bytes());
    Tool::new(CHPASSWD).arg("-e").input(input).limit(LIMIT).run()?;
    Ok(())
}

fn line(root: &Root, user: &str) -> Result<String> {
    let text = read(root)?;
    let line = text.expose().lines().find(|line| line.split(':').next() == Some(user)).map(str::to_owned);
    line.with_context(|| format!("'{}' has no line for '{user}'", root.path(FILE).display()))
}

fn read(root: &Root) -> Result<Secret<String>> {
    let bytes = durable::read_bounded(&root.path(FILE), 4 << 20)?;
    Ok(Secret::new(String::from_utf8(bytes).context("/etc/shadow isn't text")?))
}

fn classify(line: &str) -> Field {
    match line.split(':').nth(1).unwrap_or_default() {
        "" => Field::Empty,
        field if field.starts_with(['!', '*']) => Field::Locked,
        _ => Field::Usable,
    }
}

fn set_in_file(root: &Root, user: &str, field: &Secret<String>) -> Result<()> {
    line(root, user)?;
    let text = read(root)?;
    let mut new = String::with_capacity(text.expose().len() + 128);
    for line in text.expose().lines() {
        match line.split_once(':') {
            Some((name, rest)) if name == user => {
                let (_, ageing) = rest.split_once(':').unwrap_or_default();
                new.extend([user, ":", field.expose(), ":", ageing]);
            }
            _ => new.push_str(line),
        }
        new.push('\n');
    }
    let path = root.path(FILE);
    let (_, owner) = durable::read_with_owner(&path, 4 << 20)?;
    durable::write(&path, new.as_bytes(), owner.mode)?;
    std::os::unix::fs::chown(&path, Some(owner.uid), Some(owner.gid))?;
    Ok(())
}

const FILE: &str = "/etc/shadow";
const CHPASSWD: &str = "/usr/sbin/chpasswd";
const PASSWD: &str = "/usr/bin/passwd";
const LIMIT: Duration = Duration::from_secs(30);
