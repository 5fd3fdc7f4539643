//! The machine's accounts, from its files: the name service would load modules and open sockets in our sandbox.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use waagent_common::durable::read_bounded;
use waagent_common::root::Root;
use waagent_common::text::shown;

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Login name.
    pub(crate) name: String,
    /// User number.
    pub(crate) uid: u32,
    /// Number of its primary group.
    pub(crate) gid: u32,
    /// Home, as the file has it (not below a scratch root).
    pub(crate) home: PathBuf,
    /// Login shell.
    pub(crate) shell: String,
}

/// The account of that name, if this machine itself has one.
pub(crate) fn account(root: &Root, name: &str) -> Option<Account> {
    text(root, "/etc/passwd").lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [found, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
        (*found == name).then_some(())?;
        Some(Account {
            name: (*found).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: PathBuf::from(home),
            shell: (*shell).to_owned(),
        })
    })
}

impl Account {
    /// Why it is no account of a person: such accounts are nobody's to log in with.
    pub(crate) fn oddity(&self, root: &Root) -> Option<String> {
        let ordinary = LoginDefs::read(root).uids();
        if !ordinary.contains(&self.uid) {
            let (first, last) = (ordinary.start(), ordinary.end());
            return Some(format!(
                "it has uid {}, and ordinary users have {first} to {last} (UID_MIN, UID_MAX of login.defs)",
                self.uid
            ));
        }
        (!is_login_shell(root, &self.shell))
            .then(|| format!("its shell '{}' isn't for logging in (/etc/shells)", shown(&self.shell)))
    }
}

/// Listed in shells(5), and not there only so that ftp servers take its users, as Red Hat once listed nologin. No shell
/// is `/bin/sh` (passwd(5)); no list is the two of getusershell(3).
fn is_login_shell(root: &Root, shell: &str) -> bool {
    let shell = if shell.is_empty() { "/bin/sh" } else { shell };
    let listed = ["/etc/shells", "/usr/etc/shells"].map(|path| text(root, path));
    let is_listed = match listed.iter().find(|list| !list.is_empty()) {
        Some(list) => list.lines().any(|line| line.trim() == shell),
        None => ["/bin/sh", "/bin/csh"].contains(&shell),
    };
    shell.starts_with('/') && is_listed && !["/nologin", "/false"].iter().any(|end| shell.ends_with(end))
}

/// Facts of login.defs(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginDefs(String);

impl LoginDefs {
    /// Reads the file, or the vendor's copy where `/etc` has none.
    pub fn read(root: &Root) -> Self {
        let own = text(root, "/etc/login.defs");
        Self(if own.is_empty() { text(root, "/usr/etc/login.defs") } else { own })
    }

    /// Numbers of ordinary users: never root's, whatever the file says, and useradd's own bounds where it says nothing,
    /// or nonsense.
    pub(crate) fn uids(&self) -> RangeInclusive<u32> {
        self.number("UID_MIN", 10).unwrap_or(1000).max(1)..=self.number("UID_MAX", 10).unwrap_or(60000)
    }

    /// Numbers of ordinary groups, likewise.
    pub(crate) fn gids(&self) -> RangeInclusive<u32> {
        self.number("GID_MIN", 10).unwrap_or(1000).max(1)..=self.number("GID_MAX", 10).unwrap_or(60000)
    }

    /// Mode of a new home, never wider than 0755.
    pub(crate) fn home_mode(&self) -> u32 {
        let from_umask = || self.number("UMASK", 8).map(|mask| 0o777 & !mask);
        self.number("HOME_MODE", 8).or_else(from_umask).unwrap_or(0o700) & 0o755
    }

    /// Rounds of SHA hashes, where the machine's owner asks for some.
    pub(crate) fn sha_rounds(&self) -> Option<u32> {
        let asked =
            self.number("SHA_CRYPT_MIN_ROUNDS", 10).or_else(|| self.number("SHA_CRYPT_MAX_ROUNDS", 10));
        // The bounds of crypt(5).
        asked.map(|rounds| rounds.clamp(1000, 999_999_999))
    }

    /// Decimal, hexadecimal or octal, as login.defs(5) takes them.
    fn number(&self, key: &str, radix: u32) -> Option<u32> {
        let word = self.0.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(key)).then(|| words.next()).flatten()
        })?;
        match (word.strip_prefix("0x"), word.strip_prefix('0')) {
            (Some(hexadecimal), _) => u32::from_str_radix(hexadecimal, 16).ok(),
            (_, Some(octal)) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
            _ => u32::from_str_radix(word, radix).ok(),
        }
    }
}

/// Unreadable is empty: the tools that change these files say what is wrong with them.
fn text(root: &Root, path: &str) -> String {
    let bytes = read_bounded(&root.path(path), 4 << 20).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_login_defs_takes_them() {
        let defs =
            LoginDefs("# UID_MIN 5\nUID_MIN\t\t 0x1F4\nGID_MIN 0764\nUID_MAX 9999\nUMASK 027\n".to_owned());
        assert_eq!((defs.uids(), defs.gids(), defs.home_mode()), (500..=9999, 500..=60000, 0o750));
        let nonsense = LoginDefs("UID_MIN many\nUID_MAX -1\nGID_MIN 0\nHOME_MODE 0777\n".to_owned());
        assert_eq!((nonsense.uids(), nonsense.gids()), (1000..=60000, 1..=60000));
        assert_eq!((nonsense.home_mode(), nonsense.sha_rounds()), (0o755, None));
    }

    #[test]
    fn a_person_has_an_ordinary_number_and_a_shell_for_logging_in() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("etc")).unwrap();
        let root = Root::new(scratch.path());
        let with = |uid, shell: &str| Account {
            name: "orchard".to_owned(),
            uid,
            gid: 1000,
            home: PathBuf::from("/home/orchard"),
            shell: shell.to_owned(),
        };
        let is_odd = |uid, shell: &str| with(uid, shell).oddity(&root).is_some();
        assert!(!is_odd(1000, "/bin/sh") && !is_odd(1000, "") && is_odd(1000, "/bin/zsh"), "without a list");
        std::fs::write(scratch.path().join("etc/shells"), "# list\n/bin/sh\n/bin/zsh\n/sbin/nologin\n")
            .unwrap();
        for (uid, shell) in [(1000, "/bin/sh"), (60000, "/bin/zsh"), (1001, "")] {
            assert!(!is_odd(uid, shell), "{uid} {shell}");
        }
        for uid in [0, 1, 999, 60001, 65534, u32::MAX] {
            assert!(is_odd(uid, "/bin/sh"), "{uid}");
        }
        for shell in ["/sbin/nologin", "/usr/sbin/nologin", "/bin/false", "/usr/bin/git-shell", "# list"] {
            assert!(is_odd(1000, shell), "{shell}");
        }
    }

    #[test]
    fn finds_an_account_by_its_whole_name() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("etc")).unwrap();
        let lines =
            "al:x:1001:1001::/home/al:/bin/sh\nalice:x:1002:1003:A,,:/home/alice:/bin/bash\nbad:x:y:1:::\n";
        std::fs::write(scratch.path().join("etc/passwd"), lines).unwrap();
        let root = Root::new(scratch.path());
        assert_eq!(account(&root, "alice").unwrap().gid, 1003);
        assert_eq!(account(&root, "al").unwrap().uid, 1001);
        assert!(account(&root, "ali").is_none() && account(&root, "bad").is_none());
    }
}
