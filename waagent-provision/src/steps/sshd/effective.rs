//! What sshd says of itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use waagent_common::root::Root;
use waagent_common::tool::Tool;

use crate::names::UserName;

/// The program.
pub(crate) const SSHD: &str = "/usr/sbin/sshd";
/// How long it may take to look at its configuration.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// What sshd itself says is in force for a user.
pub(crate) struct Effective(String);

impl Effective {
    /// `None` below a scratch root, whose included files sshd would look for in the machine's own, and where sshd
    /// can't say because its host keys or its folder aren't there yet.
    pub(crate) fn ask(root: &Root, user: &str) -> Option<Self> {
        if !root.is_live() || !Path::new(SSHD).exists() {
            return None;
        }
        let who = format!("user={user},host=localhost,addr=127.0.0.1");
        let output = Tool::new(SSHD).args(["-T", "-C"]).arg(who).limit(LIMIT).output().ok()?;
        output.status.success().then_some(Self(output.stdout))
    }

    /// The value of this keyword (lower case).
    pub(crate) fn value(&self, keyword: &str) -> Option<String> {
        self.lines(keyword).next().map(str::to_owned)
    }

    /// All words of its lines.
    pub(crate) fn values(&self, keyword: &str) -> Vec<String> {
        self.lines(keyword).flat_map(str::split_whitespace).map(str::to_owned).collect()
    }

    fn lines<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter_map(move |line| line.strip_prefix(keyword)?.strip_prefix(' '))
    }
}

/// The files that sshd reads this user's keys from; none where sshd isn't there or can't say.
pub(crate) fn authorized_keys_files(root: &Root, user: &UserName, home: &Path) -> Vec<PathBuf> {
    let Some(effective) = Effective::ask(root, user.as_str()) else { return Vec::new() };
    let patterns = effective.value("authorizedkeysfile").unwrap_or_default();
    patterns
        .split_whitespace()
        .map(|pattern| {
            let home_text = home.to_string_lossy();
            let expanded = pattern.replace("%h", &home_text).replace("%u", user.as_str()).replace("%%", "%");
            home.join(expanded)
        })
        .collect()
}
