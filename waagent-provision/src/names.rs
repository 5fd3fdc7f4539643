//! Names that the platform gives: what may become an account, or the machine's own name.

use std::fmt;

use waagent_common::fault::Fault;

/// A user name that neither passwd(5), nor sudoers(5), nor a tool's command line can misread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserName(String);

/// A host name by RFC 1123, as long as the kernel takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName(String);

impl TryFrom<&str> for UserName {
    type Error = Fault;

    /// Longer names than useradd's 32 are refused by it, with its own text.
    fn try_from(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || text.len() > 64 {
            return Err(Fault::data(format!("{} bytes, not 1 to 64", text.len())));
        }
        let fits = |(at, c): (usize, char)| {
            c.is_ascii_alphabetic() || c == '_' || (at > 0 && (c.is_ascii_digit() || c == '.' || c == '-'))
        };
        if let Some((at, c)) = text.char_indices().find(|pair| !fits(*pair)) {
            return Err(Fault::data(format!("character {} at {}", quoted(c), at + 1)));
        }
        if text.ends_with('.') {
            return Err(Fault::data("a full stop at its end"));
        }
        if text.eq_ignore_ascii_case("all") {
            return Err(Fault::data("it means everybody in sudoers(5)"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl UserName {
    /// The name itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Does sudoers(5) give the word a meaning of its own, so that a line which begins with it isn't about this user?
    pub(crate) fn is_word_of_sudoers(&self) -> bool {
        SUDOERS_WORDS.contains(&self.0.as_str())
    }

    /// Would sudoers(5) take the word for an alias?
    pub(crate) fn looks_like_an_alias(&self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_uppercase())
            && self.0.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    }
}

impl TryFrom<&str> for HostName {
    type Error = Fault;

    fn try_from(text: &str) -> Result<Self, Fault> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.len() > 64 {
            return Err(Fault::data(format!("{} bytes, not 1 to 64", name.len())));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if let Some((at, c)) = name.char_indices().find(|(_, c)| !fits(*c)) {
            return Err(Fault::data(format!("character {} at {}", quoted(c), at + 1)));
        }
        for label in name.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err(Fault::data("a label that isn't 1 to 63 bytes long"));
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(Fault::data("a label that begins or ends with '-'"));
            }
        }
        if ["localhost", "localhost.localdomain"].iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
            return Err(Fault::data("it means every machine itself"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl HostName {
    /// The name itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Words that have a rule of their own in sudo's lexer and that aren't written like an alias (sudo-project/sudo,
/// plugins/sudoers/toke.l).
const SUDOERS_WORDS: &[&str] = &[
    "Cmd_Alias",
    "Cmnd_Alias",
    "Defaults",
    "Host_Alias",
    "Runas_Alias",
    "User_Alias",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sudoedit",
];

/// Control characters are named, never echoed.
fn quoted(c: char) -> String {
    if c.is_ascii_graphic() { format!("'{c}'") } else { format!("U+{:04X}", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_ordinary_user_names() {
        for good in ["orchard", "_svc", "a.b-c_1", "ADMIN", &"a".repeat(64)] {
            assert!(UserName::try_from(good).is_ok(), "{good}");
        }
        assert!(UserName::try_from("ADMIN_1").unwrap().looks_like_an_alias());
        assert!(!UserName::try_from("Admin").unwrap().looks_like_an_alias());
    }

    #[test]
    fn refuses_user_names_that_a_file_or_a_tool_could_misread() {
        let long = "a".repeat(65);
        for bad in [
            "", "-r", "1", "a:b", "a,b", "a/b", "..", ".", "a\nb", "a b", "é", "ALL", "all", "a.", "a\0",
            &long,
        ] {
            assert!(UserName::try_from(bad).is_err(), "{bad:?}");
        }
        assert_eq!(UserName::try_from("ab\u{1b}").unwrap_err().text, "character U+001B at 3");
    }

    #[test]
    fn takes_host_names_with_domains_and_drops_the_last_stop() {
        assert_eq!(HostName::try_from("Plum-07.example.net.").unwrap().as_str(), "Plum-07.example.net");
        assert!(HostName::try_from("007").is_ok());
    }

    #[test]
    fn refuses_host_names_outside_of_rfc_1123() {
        let (long, label) = ("a".repeat(65), format!("{}.b", "a".repeat(64)));
        for bad in ["", "a_b", "-x", "x-", "a..b", "a\nb", "$(id)", "localhost", &long, &label] {
            assert!(HostName::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
