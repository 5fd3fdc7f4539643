//! sshd's password logins: one drop-in of ours where its configuration includes one, else a marked block at the top
//! of its main file. What breaks sshd is taken back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use waagent_common::config::{IntegerKey, Key, TextKey};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::text::shown;
use waagent_common::tool::Tool;

use crate::pass::{Pass, StepOutcome};
use effective::{Effective, LIMIT, SSHD};

pub(crate) mod effective;
pub(crate) mod parse;

/// Sets what the platform asks for, and looks whether it is in force.
pub(crate) fn configure(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    if !Path::new(SSHD).exists() || !parse::main_file(pass.root).exists() {
        pass.warn("sshd isn't installed, ignoring what ovf-env.xml says about it".to_owned());
        return Ok(StepOutcome::Skipped("no sshd".to_owned()));
    }
    let settings = settings(pass);
    let changed = if settings.is_empty() {
        remove_ours(pass.root)?
    } else {
        let root = Placement::of(pass.root);
        put_in_force(pass, &root, &settings)?
    };
    verify(pass)?;
    let what =
        settings.iter().map(|(keyword, value)| format!("{keyword} {value}")).collect::<Vec<_>>().join(", ");
    let what = if what.is_empty() { "the image's own settings stay".to_owned() } else { what };
    let text = format!("configure sshd: {what}");
    Ok(if changed { StepOutcome::Done(text) } else { StepOutcome::Unchanged(text) })
}

/// Keywords and values; empty where the image's own rule stands.
fn settings(pass: &Pass<'_>) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(allowed) = pass.plan.password_login {
        let value = if allowed { "yes" } else { "no" };
        settings.push((PASSWORD, value.to_owned()));
        settings.push((INTERACTIVE, value.to_owned()));
    }
    // Azure's load balancer forgets idle connections after four minutes; an interval that somebody has chosen stays.
    let chosen = pass.config.is_set(Key::Integer(IntegerKey::OsSshClientAliveInterval));
    let base = without_block(&parse::text_of(&parse::main_file(pass.root)));
    let others = parse::directives_of(pass.root, &base);
    let is_set = others.iter().any(|row| row.keyword == "clientaliveinterval" && !is_ours(&row.file));
    if chosen || !is_set {
        let seconds = pass.config.integer(IntegerKey::OsSshClientAliveInterval);
        settings.push((ALIVE, seconds.to_string()));
    }
    settings
}

fn is_ours(file: &Path) -> bool {
    file.ends_with(DROP_IN.trim_start_matches('/'))
}

/// Where our settings go.
enum Placement {
    DropIn(PathBuf),
    Block(PathBuf),
}

impl Placement {
    fn of(root: &Root) -> Self {
        let keywords = [PASSWORD, INTERACTIVE, CHALLENGE, ALIVE].map(str::to_ascii_lowercase);
        let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
        let base = without_block(&parse::text_of(&parse::main_file(root)));
        if parse::includes(&base, Path::new(DROP_IN), &keywords) {
            Self::DropIn(root.path(DROP_IN))
        } else {
            Self::Block(root.path(MAIN))
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::DropIn(path) | Self::Block(path) => path,
        }
    }

    /// The file without anything of ours; `None`: it wouldn't be there.
    fn base(&self, root: &Root) -> Result<Option<String>> {
        match self {
            Self::DropIn(_) => Ok(None),
            Self::Block(_) => {
                let bytes = durable::read_bounded(&parse::main_file(root), MAX_CONFIG)?;
                Ok(Some(without_block(&String::from_utf8_lossy(&bytes))))
            }
        }
    }

    fn render(base: Option<&str>, settings: &[(&str, String)], interactive: &str) -> String {
        let lines: String = settings
            .iter()
            .map(|(keyword, value)| {
                format!("{} {value}\n", if *keyword == INTERACTIVE { interactive } else { keyword })
            })
            .collect();
        match base {
            None => format!(
                "# Written by waagent-provision: what the platform asked for when this VM was deployed.\n{lines}"
            ),
            Some(base) => format!("{BEGIN}\n{lines}{END}\n{base}"),
        }
    }
}

/// Writes, checks, and takes back what breaks sshd. Says whether anything is new.
fn put_in_force(pass: &mut Pass<'_>, placement: &Placement, settings: &[(&str, String)]) -> Result<bool> {
    let root = pass.root;
    let base = placement.base(root)?;
    if matches!(placement, Placement::Block(_)) {
        pass.warn(format!("'{MAIN}' doesn't include '{DROP_IN}' first, using a marked block at its top"));
    }
    let before = current(placement.path())?;
    for interactive in [INTERACTIVE, CHALLENGE] {
        let wanted = Placement::render(base.as_deref(), settings, interactive);
        if before.as_deref() != Some(wanted.as_str()) {
            write(placement, root, Some(&wanted))?;
            pass.touched.push(placement.path().to_path_buf());
        }
        let Some(complaint) = complaint(root)? else {
            return Ok(before.as_deref() != Some(wanted.as_str()));
        };
        // OpenSSH before 8.7 has only the older keyword.
        if interactive == INTERACTIVE && complaint.contains(INTERACTIVE) {
            continue;
        }
        write(placement, root, base.as_deref())?;
        if let Some(earlier) = self::complaint(root)? {
            write(placement, root, Some(&wanted))?;
            pass.warn(format!("sshd's configuration was broken before: {}, ignoring", shown(&earlier)));
            return Ok(true);
        }
        bail!(Fault::new(Exit::Os, format!("sshd refuses our settings, taken back: {}", shown(&complaint))));
    }
    bail!(Fault::new(Exit::Os, "sshd knows neither of its keywords for interactive logins"))
}

/// Takes away what an earlier plan wrote.
fn remove_ours(root: &Root) -> Result<bool> {
    let removed = durable::remove(&root.path(DROP_IN))?;
    let block = Placement::Block(root.path(MAIN));
    let text = current(block.path())?.unwrap_or_default();
    let base = without_block(&text);
    if base == text {
        return Ok(removed);
    }
    write(&block, root, Some(&base))?;
    Ok(true)
}

fn current(path: &Path) -> Result<Option<String>> {
    match durable::read_bounded(path, MAX_CONFIG) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(fault) if fault.exit == Exit::NoInput => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// A main file keeps its mode; a drop-in gets the main file's, so that `sshd -T` works for whom it worked before.
fn write(placement: &Placement, root: &Root, text: Option<&str>) -> Result<()> {
    let Some(text) = text else {
        durable::remove(placement.path())?;
        return Ok(());
    };
    let (_, owner) = durable::read_with_owner(&parse::main_file(root), MAX_CONFIG)?;
    durable::write(placement.path(), text.as_bytes(), owner.mode & 0o644)?;
    Ok(())
}

fn without_block(text: &str) -> String {
    let mut base = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            BEGIN => inside = true,
            END if inside => inside = false,
            _ if inside => {}
            _ => base.push_str(line),
        }
    }
    base
}

/// What `sshd -t` complains of. Its last check is for a folder that its unit makes when it starts: all others are
/// passed then.
fn complaint(root: &Root) -> Result<Option<String>> {
    let main = parse::main_file(root);
    let output = Tool::new(SSHD).args(["-t", "-f"]).arg(main.to_string_lossy()).limit(LIMIT).output()?;
    let said = output.stderr.trim();
    let is_early =
        said.lines().last().is_some_and(|line| line.starts_with("Missing privilege separation directory"));
    Ok((!output.status.success() && !is_early).then(|| said.to_owned()))
}

/// Password logins that are to be off and are on would be a hole: an error. The other way round is a warning.
fn verify(pass: &mut Pass<'_>) -> Result<()> {
    let Some(wanted) = pass.plan.password_login else { return Ok(()) };
    let word = if wanted { "yes" } else { "no" };
    let effective = Effective::ask(pass.root, pass.plan.user.as_str());
    let directives = parse::directives(pass.root);
    for keyword in ["passwordauthentication", "kbdinteractiveauthentication"] {
        let asked = effective.as_ref().and_then(|effective| effective.value(keyword));
        let read = parse::first_value(&directives, keyword);
        let Some(found) = asked.or_else(|| read.map(|row| row.value.clone())) else { continue };
        if found.eq_ignore_ascii_case(word) {
            continue;
        }
        let winner =
            directives.iter().find(|row| row.keyword == keyword && row.value.eq_ignore_ascii_case(&found));
        let file = winner.map_or_else(|| "another file".to_owned(), |row| row.file.display().to_string());
        let text =
            format!("{keyword} is '{}' for '{}' by {file}, not '{word}'", shown(&found), pass.plan.user);
        if !wanted {
            bail!(Fault::new(Exit::Os, text));
        }
        pass.warn(format!("{text}, ignoring"));
    }
    if let Some(effective) = effective {
        note_exclusion(pass, &effective);
    }
    Ok(())
}

fn note_exclusion(pass: &mut Pass<'_>, effective: &Effective) {
    let user = pass.plan.user.as_str();
    let allowed: Vec<String> = effective.values("allowusers");
    if !allowed.is_empty() && !allowed.iter().any(|name| name == user) {
        pass.warn(format!("sshd's AllowUsers doesn't name '{user}': no login over ssh, ignoring"));
    }
    if effective.values("denyusers").iter().any(|name| name == user) {
        pass.warn(format!("sshd's DenyUsers names '{user}': no login over ssh, ignoring"));
    }
}

/// Types of the host keys that the configuration names itself, by the usual file names.
pub(crate) fn named_host_keys(root: &Root, folder: &str) -> Vec<String> {
    let prefix = format!("{folder}/ssh_host_");
    parse::directives(root)
        .iter()
        .filter(|row| row.keyword == "hostkey")
        .filter_map(|row| row.value.strip_prefix(&prefix)?.strip_suffix("_key").map(str::to_owned))
        .collect()
}

/// A running sshd reads its files again only when told to, which this program may not do.
pub(crate) fn note_running(pass: &mut Pass<'_>) {
    let pid = pass.root.path("/run/sshd.pid");
    if pass.root.is_live() && fs::symlink_metadata(pid).is_ok() {
        pass.warn(
            "sshd is running with its old settings and keys, ignoring; run 'systemctl reload ssh'".to_owned(),
        );
    }
}

/// `OS.SshDir` other than the one that policy and labels are for is refused.
pub(crate) fn check_folder(pass: &Pass<'_>) -> Result<()> {
    let folder = pass.config.text(TextKey::OsSshDir);
    if folder == "/etc/ssh" {
        return Ok(());
    }
    bail!(Fault::new(Exit::Config, format!("OS.SshDir is '{folder}'; the sandbox allows /etc/ssh alone")))
}

const MAIN: &str = "/etc/ssh/sshd_config";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/10-waagent.conf";
const BEGIN: &str = "# BEGIN waagent";
const END: &str = "# END waagent";
const PASSWORD: &str = "PasswordAuthentication";
const INTERACTIVE: &str = "KbdInteractiveAuthentication";
const CHALLENGE: &str = "ChallengeResponseAuthentication";
const ALIVE: &str = "ClientAliveInterval";
const MAX_CONFIG: u64 = 1 << 20;
