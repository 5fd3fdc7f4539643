//! Where keys may be put: a file below the user's home, or one of sshd's own for this user.

use std::path::{Component, Path, PathBuf};

use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::text::shown;

use crate::names::UserName;
use crate::steps::sshd::effective;

/// A file that may hold the user's keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyFile {
    /// Below the home; relative, at least one folder down.
    InHome(PathBuf),
    /// One of sshd's own files for this user.
    OfSshd(PathBuf),
}

impl KeyFile {
    /// A file below the user's home, or one that sshd itself reads for this user; anything else could be any file.
    pub(crate) fn of(
        path: &str,
        homes: &str,
        home: &Path,
        user: &UserName,
        root: &Root,
    ) -> Result<Self, Fault> {
        if path.is_empty() {
            return Err(Fault::data("it is missing"));
        }
        if path.len() > 1024 || path.chars().any(char::is_control) {
            return Err(Fault::data("longer than 1024 bytes, or a control character in it"));
        }
        let path = match path.strip_prefix("$HOME/") {
            Some(below) => format!("{homes}/{below}"),
            None => path.to_owned(),
        };
        let is_plain = path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains("$HOME"))
        });
        if !is_plain {
            return Err(Fault::data(format!("'{}' isn't a plain absolute path", shown(&path))));
        }
        let path = PathBuf::from(path);
        match path.strip_prefix(home) {
            Ok(below)
                if below.components().all(|part| matches!(part, Component::Normal(_)))
                    && below.components().count() > 1 =>
            {
                Ok(Self::InHome(below.to_path_buf()))
            }
            _ if effective::authorized_keys_files(root, user, home).contains(&path) => Ok(Self::OfSshd(path)),
            _ => Err(Fault::data(format!(
                "'{}' isn't in a folder below '{}'",
                shown(&path.to_string_lossy()),
                home.display()
            ))),
        }
    }

    /// A line's part of the plan's digest; the path is quoted, so that no path says something of another line.
    #[expect(clippy::unnecessary_debug_formatting, reason = "the quotes and escapes are what is wanted")]
    pub(crate) fn line(&self) -> String {
        match self {
            Self::InHome(file) => format!("InHome({file:?})"),
            Self::OfSshd(file) => format!("OfSshd({file:?})"),
        }
    }
}
