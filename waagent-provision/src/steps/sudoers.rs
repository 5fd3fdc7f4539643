//! Step `sudoers`: the user may become root.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use waagent_common::config::TextKey;
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::text::shown;
use waagent_common::tool::Tool;

use crate::pass::{Pass, StepOutcome};

/// Lets the user become root: one line in the one file that deprovisioning, VMAccess and people look into. visudo
/// sees it before sudo does.
pub(crate) fn allow(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let user = pass.plan.user.as_str().to_owned();
    if user == "root" {
        return Ok(StepOutcome::Skipped("root needs no rule".to_owned()));
    }
    let main = ["/etc/sudoers", "/usr/etc/sudoers"].map(|path| pass.root.path(path));
    let Some(main) = main.into_iter().find(|path| path.exists()) else {
        pass.warn(format!("sudo isn't installed: '{user}' can't become root, ignoring"));
        return Ok(StepOutcome::Skipped("no sudo".to_owned()));
    };
    let folder = pass.config.text(TextKey::OsSudoersDir).to_owned();
    if !folder.starts_with("/etc/") {
        bail!(Fault::new(
            Exit::Config,
            format!("OS.SudoersDir is '{folder}'; the sandbox allows /etc alone")
        ));
    }
    include(pass, &main, &folder)?;
    let path = pass.root.path(&folder).join("waagent");
    let old = read(&path)?;
    let new = merged(&old, &rules(pass)?);
    if new == old {
        return Ok(StepOutcome::Unchanged(format!("sudo rule for '{user}' is in '{folder}/waagent'")));
    }
    put_in_place(&path, &new)?;
    pass.touched.push(path);
    Ok(StepOutcome::Done(format!("wrote sudo rule for '{user}' to '{folder}/waagent'")))
}

/// The words of a rule, and those by which older rules of the same user are known.
struct Rule {
    subjects: Vec<String>,
    lines: String,
}

/// A user whose name would be read as something else is named by number. A line that begins with a word of sudo's own
/// isn't about such a user either, and stays.
fn rules(pass: &Pass<'_>) -> Result<Rule> {
    let (user, name) = (&pass.plan.user, pass.plan.user.as_str().to_owned());
    let tags = if pass.plan.password.is_given() { "ALL=(ALL) ALL" } else { "ALL=(ALL) NOPASSWD: ALL" };
    if !user.looks_like_an_alias() && !user.is_word_of_sudoers() {
        return Ok(Rule { lines: format!("{name} {tags}\n"), subjects: vec![name] });
    }
    let subject = format!("#{}", pass.account()?.uid);
    let comment = format!("# {name} is {subject}");
    let lines = format!("{comment}\n{subject} {tags}\n");
    let by_name = (!user.is_word_of_sudoers()).then_some(name);
    Ok(Rule { subjects: [subject, comment].into_iter().chain(by_name).collect(), lines })
}

/// Other users' lines stay; this user's are replaced by the one that holds now.
fn merged(old: &str, rule: &Rule) -> String {
    let is_ours = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        rule.subjects.iter().any(|subject| first == subject || line.trim_end() == subject)
    };
    let mut new: String = old.split_inclusive('\n').filter(|line| !is_ours(line)).collect();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    if old.contains(&rule.lines) && new.len() + rule.lines.len() == old.len() {
        return old.to_owned();
    }
    new + &rule.lines
}

/// sudo ignores names with a full stop in them: a half-written one is never read.
fn put_in_place(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_file_name(".waagent.new");
    durable::write(&temporary, text.as_bytes(), 0o440)?;
    if let Some(complaint) = complaint(&temporary)? {
        durable::remove(&temporary)?;
        bail!(Fault::new(
            Exit::Os,
            format!("visudo refuses our rule, nothing changed: {}", shown(&complaint))
        ));
    }
    fs::rename(&temporary, path)?;
    durable::sync_folder(path)?;
    Ok(())
}

/// Without visudo our own grammar of user names has to do.
fn complaint(file: &Path) -> Result<Option<String>> {
    if !Path::new(VISUDO).exists() {
        return Ok(None);
    }
    let output = Tool::new(VISUDO).args(["-c", "-f"]).arg(file.to_string_lossy()).limit(LIMIT).output()?;
    let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
    Ok((!output.status.success()).then_some(said))
}

/// sudo must read the folder: a line for it is appended only where it is missing, and only if visudo agrees.
fn include(pass: &mut Pass<'_>, main: &Path, folder: &str) -> Result<()> {
    let text = read(main)?;
    let is_included = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("#includedir" | "@includedir"))
            && words.next().is_some_and(|named| named.trim_matches('"').trim_end_matches('/') == folder)
    });
    let path = pass.root.path(folder);
    if !path.is_dir() {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o755).create(&path)?;
    }
    if is_included {
        return Ok(());
    }
    let own = pass.root.path("/etc/sudoers");
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    put_in_place(&own, &format!("{text}{gap}@includedir {folder}\n"))?;
    pass.warn(format!("'{}' didn't include '{folder}', using a line of ours at its end", own.display()));
    pass.touched.push(own);
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    match durable::read_bounded(path, 1 << 20) {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|_| Fault::data(format!("cannot use '{}': it isn't text", path.display())).into()),
        Err(fault) if fault.exit == Exit::NoInput => Ok(String::new()),
        Err(fault) => Err(fault.into()),
    }
}

const VISUDO: &str = "/usr/sbin/visudo";
const LIMIT: Duration = Duration::from_secs(10);
