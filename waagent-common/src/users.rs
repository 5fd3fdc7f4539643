//! User and group numbers by name, from `/etc/passwd` and `/etc/group` alone.
//!
//! Not by the C library's name service: that would load modules and open sockets inside our sandboxes, and our own
//! accounts are always local (sysusers.d(5)). The agent's own are looked up once, before the sandbox: useradd(8) and
//! whatever calls it put new files in the place of the old ones, which the sandbox doesn't know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::durable::read_bounded;
use crate::root::Root;

/// Largest account file that is read, in bytes.
const MAX: u64 = 4 << 20;

/// What the names of the agent's own users and groups begin with.
const OWN: &str = "waagent";

/// The agent's own accounts, as they were when the sandbox was entered.
static SETTLED: OnceLock<Settled> = OnceLock::new();

#[derive(Debug)]
struct Settled {
    root: PathBuf,
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

/// Looks the agent's own accounts up for good: from now on they are known whatever becomes of the files.
pub(crate) fn settle(root: &Root) {
    // A process enters one sandbox, below one root: the first word stands.
    SETTLED.get_or_init(|| Settled {
        root: root.root().to_owned(),
        users: own(&root.path(USERS)),
        groups: own(&root.path(GROUPS)),
    });
}

fn own(file: &Path) -> BTreeMap<String, u32> {
    let text = text_of(file);
    let accounts = text.lines().filter_map(account).filter(|(name, _)| name.starts_with(OWN));
    accounts.map(|(name, number)| (name.to_owned(), number)).collect()
}

/// The number of a user, if there is one of that name.
pub fn uid_of(root: &Root, user: &str) -> Option<u32> {
    number_of(root, USERS, user, |settled| &settled.users)
}

/// The number of a group, if there is one of that name.
pub fn gid_of(root: &Root, group: &str) -> Option<u32> {
    number_of(root, GROUPS, group, |settled| &settled.groups)
}

fn number_of(
    root: &Root,
    file: &str,
    name: &str,
    settled: fn(&Settled) -> &BTreeMap<String, u32>,
) -> Option<u32> {
    match SETTLED.get() {
        Some(known) if known.root == root.root() && name.starts_with(OWN) => {
            settled(known).get(name).copied()
        }
        _ => {
            text_of(&root.path(file)).lines().filter_map(account).find(|(n, _)| *n == name).map(|(_, id)| id)
        }
    }
}

/// Name and number of a line of passwd(5) or group(5).
fn account(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    Some((fields.next()?, fields.nth(1)?.parse().ok()?))
}

fn text_of(file: &Path) -> String {
    // An unreadable account file is the same as a missing account: the caller refuses and says which.
    let bytes = read_bounded(file, MAX).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_root() {
        let root = Root::new(Path::new("/"));
        assert_eq!(uid_of(&root, "root"), Some(0));
        assert_eq!(gid_of(&root, "root"), Some(0));
        assert_eq!(uid_of(&root, "roo"), None);
    }

    #[test]
    fn own_accounts_are_known_after_the_files_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(root.path(USERS), "zoe:x:1000:1000::/home/zoe:\nwaagent-fetch:x:991:990::/:\n")
            .unwrap();
        std::fs::write(root.path(GROUPS), "waagent:x:989:\n").unwrap();
        settle(&root);
        std::fs::remove_dir_all(dir.path().join("etc")).unwrap();
        assert_eq!(uid_of(&root, "waagent-fetch"), Some(991));
        assert_eq!(gid_of(&root, "waagent"), Some(989));
        assert_eq!((uid_of(&root, "zoe"), uid_of(&root, "waagent-ext")), (None, None));
    }
}
