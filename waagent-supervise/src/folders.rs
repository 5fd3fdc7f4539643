//! Folders, links and modes: `systemd-tmpfiles` where it is installed, else the same file read here.

use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use waagent_common::durable::read_bounded;
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::tool::Tool;
use waagent_common::users::{gid_of, uid_of};

const TMPFILES: &str = "/usr/bin/systemd-tmpfiles";
/// Largest table that is read, in bytes.
const MAX: u64 = 64 << 10;

/// Makes what is missing, and repairs owner and mode of what is there.
pub fn make(table: &Path) -> Result<()> {
    if Path::new(TMPFILES).exists() {
        let tool = Tool::new(TMPFILES).arg("--create").arg(table.to_string_lossy());
        let output = tool.limit(Duration::from_secs(30)).output()?;
        // A file of sysfs that this machine hasn't, or may not change, fails its line alone; the programs say what
        // they miss.
        if !output.status.success() {
            log::verbose(&format!("systemd-tmpfiles ended with {}: {}", output.status, output.stderr.trim()));
        }
        return Ok(());
    }
    let text = String::from_utf8(read_bounded(table, MAX)?).context("folders")?;
    make_lines(table, &text);
    Ok(())
}

fn make_lines(table: &Path, text: &str) {
    for (number, line) in text.lines().enumerate() {
        // Whoever owns one folder mustn't keep the others from being made: the program that misses it says so.
        if let Err(error) = make_line(line) {
            log::error(&format!("{}:{}: {error:#}", table.display(), number + 1));
        }
    }
}

fn make_line(line: &str) -> Result<()> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    match fields.as_slice() {
        [] => Ok(()),
        [first, ..] if first.starts_with('#') => Ok(()),
        ["d", path, mode, user, group] => {
            fs::create_dir_all(path).with_context(|| format!("cannot make '{path}'"))?;
            set_owner_and_mode(path, mode, user, group, OFlag::O_DIRECTORY)
        }
        ["f", path, mode, user, group] => {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(nix::libc::O_NOFOLLOW)
                .open(path)
                .with_context(|| format!("cannot make '{path}'"))?;
            set_owner_and_mode(path, mode, user, group, OFlag::empty())
        }
        ["z", path, mode, user, group] => {
            // Sysfs of a machine without SMBIOS, or read-only in a container.
            if let Err(error) = set_owner_and_mode(path, mode, user, group, OFlag::empty()) {
                log::verbose(&format!("{error:#}, ignoring"));
            }
            Ok(())
        }
        ["L", path, "-", "-", "-", "-", target] => match symlink(target, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made.with_context(|| format!("cannot make link '{path}'")),
        },
        _ => Err(Fault::new(Exit::Config, "only d, f, L and z lines are understood").into()),
    }
}

/// Gives owner and mode to what is there. Its folder may be another program's, whose user can put a link in its place:
/// none is followed.
fn set_owner_and_mode(path: &str, mode: &str, user: &str, group: &str, kind: OFlag) -> Result<()> {
    let root = Root::new(Path::new("/"));
    let missing = |what: &str, name: &str| format!("there is no {what} '{name}'");
    let uid = uid_of(&root, user).with_context(|| missing("user", user))?;
    let gid = gid_of(&root, group).with_context(|| missing("group", group))?;
    let mode = u32::from_str_radix(mode, 8).context("mode")?;
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | kind;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
        .with_context(|| format!("cannot open '{path}' itself; a link there isn't ours: remove it"))?;
    std::os::unix::fs::fchown(&file, Some(uid), Some(gid))
        .with_context(|| format!("cannot give '{path}'"))?;
    file.set_permissions(Permissions::from_mode(mode)).with_context(|| format!("cannot set mode of '{path}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_folders_files_and_links() {
        if !waagent_untested::is_root("to give files away") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        make_line(&format!("d {} 2750 root root", at("a/b"))).unwrap();
        make_line(&format!("f {} 0640 root root", at("a/log"))).unwrap();
        for _again in 0..2 {
            make_line(&format!("L {} - - - - b/c", at("a/link"))).unwrap();
        }
        assert_eq!(fs::metadata(at("a/b")).unwrap().permissions().mode() & 0o7777, 0o2750);
        assert_eq!(fs::read_link(at("a/link")).unwrap(), Path::new("b/c"));
        make_line("# comment").unwrap();
        make_line(&format!("z {} 0444 root root", at("none"))).unwrap();
    }

    #[test]
    fn follows_no_link_to_give_an_owner_or_a_mode() {
        if !waagent_untested::is_root("to give files away") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("victim")).unwrap();
        fs::write(at("file"), "").unwrap();
        for name in ["victim", "file"] {
            fs::set_permissions(at(name), Permissions::from_mode(0o755)).unwrap();
            symlink(at(name), at(&format!("to-{name}"))).unwrap();
        }
        for line in ["d {} 0700 root root", "f {} 0700 root root", "d {} 2750 root root"] {
            for name in ["to-victim", "to-file"] {
                let line = line.replace("{}", &at(name).display().to_string());
                assert!(make_line(&line).is_err(), "{line}");
            }
        }
        for name in ["victim", "file"] {
            assert_eq!(fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777, 0o755, "{name}");
        }
        make_line(&format!("d {} 0700 root root", at("victim").display())).unwrap();
        assert_eq!(fs::metadata(at("victim")).unwrap().permissions().mode() & 0o7777, 0o700);
    }

    #[test]
    fn a_line_that_fails_keeps_no_other_from_being_made() {
        if !waagent_untested::is_root("to give files away") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        symlink("/", at("link")).unwrap();
        make_lines(
            dir.path(),
            &format!("d {} 0700 root root\nd {} 0700 root root\n", at("link"), at("good")),
        );
        assert!(Path::new(&at("good")).is_dir());
    }

    #[test]
    fn refuses_lines_it_does_not_know() {
        assert!(format!("{:#}", make_line("R /tmp/x").unwrap_err()).contains("only d, f, L and z"));
    }
}
