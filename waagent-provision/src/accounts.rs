//! The machine's accounts, from its files: the name service would load modules and open sockets in our sandbox.

use std::path::PathBuf;

use waagent_common::durable::read_bounded;
use waagent_common::place::Place;

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Number of its primary group.
    pub gid: u32,
    /// Home, as the file has it (not below a scratch root).
    pub home: PathBuf,
    /// Login shell.
    pub shell: String,
}

/// The account of that name, if this machine itself has one.
pub fn account(place: &Place, name: &str) -> Option<Account> {
    text(place, "/etc/passwd").lines().find_map(|line| {
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

/// Facts of login.defs(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginDefs(String);

impl LoginDefs {
    /// Reads the file, or the vendor's copy where `/etc` has none.
    pub fn read(place: &Place) -> Self {
        let own = text(place, "/etc/login.defs");
        Self(if own.is_empty() { text(place, "/usr/etc/login.defs") } else { own })
    }

    /// Smallest number of an ordinary user: 1000 where the file says nothing, or nonsense.
    pub fn uid_min(&self) -> u32 {
        self.number("UID_MIN", 10).unwrap_or(1000)
    }

    /// Smallest number of an ordinary group.
    pub fn gid_min(&self) -> u32 {
        self.number("GID_MIN", 10).unwrap_or(1000)
    }

    /// Mode of a new home, never wider than 0755.
    pub fn home_mode(&self) -> u32 {
        let from_umask = || self.number("UMASK", 8).map(|mask| 0o777 & !mask);
        self.number("HOME_MODE", 8).or_else(from_umask).unwrap_or(0o700) & 0o755
    }

    /// Rounds of SHA hashes, where the machine's owner asks for some.
    pub fn sha_rounds(&self) -> Option<u32> {
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
fn text(place: &Place, path: &str) -> String {
    let bytes = read_bounded(&place.path(path), 4 << 20).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_login_defs_takes_them() {
        let defs = LoginDefs("# UID_MIN 5\nUID_MIN\t\t 0x1F4\nGID_MIN 0764\nUMASK 027\n".to_owned());
        assert_eq!((defs.uid_min(), defs.gid_min(), defs.home_mode()), (500, 500, 0o750));
        let nonsense = LoginDefs("UID_MIN many\nHOME_MODE 0777\n".to_owned());
        assert_eq!((nonsense.uid_min(), nonsense.home_mode(), nonsense.sha_rounds()), (1000, 0o755, None));
    }

    #[test]
    fn finds_an_account_by_its_whole_name() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let lines =
            "al:x:1001:1001::/home/al:/bin/sh\nalice:x:1002:1003:A,,:/home/alice:/bin/bash\nbad:x:y:1:::\n";
        std::fs::write(root.path().join("etc/passwd"), lines).unwrap();
        let place = Place::new(root.path());
        assert_eq!(account(&place, "alice").unwrap().gid, 1003);
        assert_eq!(account(&place, "al").unwrap().uid, 1001);
        assert!(account(&place, "ali").is_none() && account(&place, "bad").is_none());
    }
}
