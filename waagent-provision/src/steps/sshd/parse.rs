//! sshd_config(5), as far as one must understand it to change three values.

use std::fs;
use std::path::{Path, PathBuf};

use waagent_common::durable::read_bounded;
use waagent_common::root::Root;

/// One line that says something, in the order in which sshd meets it: the first value of a keyword wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    /// The file that it is in.
    pub(crate) file: PathBuf,
    /// Lower case; empty where the file begins.
    pub(crate) keyword: String,
    /// Without quotes.
    pub(crate) value: String,
    /// Inside a `Match` block: not for everybody.
    pub(crate) is_conditional: bool,
}

/// Where sshd's main file is: the administrator's, else the vendor's.
pub(crate) fn main_file(root: &Root) -> PathBuf {
    let own = root.path(MAIN);
    if own.exists() { own } else { PathBuf::from(VENDOR) }
}

/// All directives, included files in place.
pub(crate) fn directives(root: &Root) -> Vec<Directive> {
    directives_of(root, &text_of(&main_file(root)))
}

/// The same, as if the main file had this text.
pub(crate) fn directives_of(root: &Root, text: &str) -> Vec<Directive> {
    let mut found = Vec::new();
    gather(root, (&main_file(root), text), false, 0, &mut found);
    found
}

/// The value that is in force for everybody, where any file sets one.
pub(crate) fn first_value<'a>(directives: &'a [Directive], keyword: &str) -> Option<&'a Directive> {
    directives.iter().find(|directive| !directive.is_conditional && directive.keyword == keyword)
}

/// Does a main file of this text read our drop-in before anything that could win over it?
pub(crate) fn includes(text: &str, drop_in: &Path, keywords: &[&str]) -> bool {
    for (keyword, value) in text.lines().filter_map(split) {
        match keyword.as_str() {
            "match" => return false,
            "include"
                if value.split_whitespace().any(|pattern| matches_path(&absolute(pattern), drop_in)) =>
            {
                return true;
            }
            _ if keywords.contains(&keyword.as_str()) => return false,
            _ => {}
        }
    }
    false
}

fn gather(
    root: &Root,
    (file, text): (&Path, &str),
    is_conditional: bool,
    depth: usize,
    found: &mut Vec<Directive>,
) {
    let mut in_match = is_conditional;
    // Files that include each other: sshd refuses them, and says so.
    if found.len() > MAX_DIRECTIVES {
        return;
    }
    found.push(Directive {
        file: file.to_path_buf(),
        keyword: String::new(),
        value: String::new(),
        is_conditional,
    });
    for (keyword, value) in text.lines().filter_map(split) {
        match keyword.as_str() {
            "match" => in_match = is_conditional || !value.eq_ignore_ascii_case("all"),
            // sshd's own limit is 16.
            "include" if depth < 16 => {
                for pattern in value.split_whitespace() {
                    for included in glob(root, &absolute(pattern)) {
                        gather(root, (&included, &text_of(&included)), in_match, depth + 1, found);
                    }
                }
            }
            _ if found.len() <= MAX_DIRECTIVES => {
                found.push(Directive { file: file.to_path_buf(), keyword, value, is_conditional: in_match });
            }
            _ => return,
        }
    }
}

/// `Keyword value` or `Keyword=value`; comments and empty lines are nothing.
fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
    let (keyword, value) = line.split_at_checked(end)?;
    let value = value.trim_start_matches([' ', '\t', '=']).trim().trim_matches('"');
    Some((keyword.to_ascii_lowercase(), value.to_owned()))
}

fn absolute(pattern: &str) -> PathBuf {
    Path::new("/etc/ssh").join(pattern.trim_matches('"'))
}

/// Files that match, by name; wild cards only in the last part, as every distribution's file has them.
fn glob(root: &Root, pattern: &Path) -> Vec<PathBuf> {
    let Some(folder) = pattern.parent() else { return Vec::new() };
    let Ok(entries) = fs::read_dir(root.path(folder)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .filter(|name| matches_path(pattern, &folder.join(name)))
        .map(|name| root.path(folder).join(name))
        .collect();
    files.sort();
    files
}

fn matches_path(pattern: &Path, path: &Path) -> bool {
    let (Some(wanted), Some(name)) = (pattern.file_name(), path.file_name()) else { return false };
    let name = name.to_string_lossy();
    let is_hidden = name.starts_with('.') && !wanted.to_string_lossy().starts_with('.');
    pattern.parent() == path.parent()
        && !is_hidden
        && wildcard(wanted.to_string_lossy().as_bytes(), name.as_bytes())
}

/// `*` and `?`, without recursion.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while let Some(byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((starred, taken)) = star else { return false };
                star = Some((starred, taken + 1));
                at = starred + 1;
                from = taken + 1;
            }
        }
    }
    pattern.get(at..).is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// The text of a file. An unreadable one says nothing here; sshd itself complains about it.
pub(crate) fn text_of(file: &Path) -> String {
    String::from_utf8_lossy(&read_bounded(file, 1 << 20).unwrap_or_default()).into_owned()
}

/// Directives and files together.
const MAX_DIRECTIVES: usize = 10_000;
const MAIN: &str = "/etc/ssh/sshd_config";
const VENDOR: &str = "/usr/etc/ssh/sshd_config";

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join("etc/ssh").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::new(dir.path());
        (dir, root)
    }

    const DROP_IN: &str = "/etc/ssh/sshd_config.d/10-waagent.conf";

    #[test]
    fn the_first_value_wins_over_included_files_and_match_blocks_are_not_for_everybody() {
        let main =
            "Match User x\nPasswordAuthentication no\nMatch all\nInclude sshd_config.d/*.conf\nPort=23\n";
        let (_dir, root) = machine(&[
            ("sshd_config", main),
            ("sshd_config.d/20.conf", "passwordauthentication \"yes\"\n"),
            ("sshd_config.d/10.conf", "# nothing\nMatch all\nClientAliveInterval 5\n"),
        ]);
        let all = directives(&root);
        assert_eq!(first_value(&all, "passwordauthentication").unwrap().value, "yes");
        assert_eq!(first_value(&all, "clientaliveinterval").unwrap().value, "5");
        assert_eq!(first_value(&all, "port").unwrap().value, "23");
    }

    #[test]
    fn a_drop_in_counts_only_where_nothing_comes_before_it() {
        let keywords = &["passwordauthentication"];
        for (main, included) in [
            ("Include /etc/ssh/sshd_config.d/*.conf\n", true),
            ("Port 22\nINCLUDE \"sshd_config.d/*\"\n", true),
            ("PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n", false),
            ("Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n", false),
            ("#Include /etc/ssh/sshd_config.d/*.conf\n", false),
            ("Include /etc/ssh/sshd_config.d/50-*.conf\n", false),
        ] {
            assert_eq!(includes(main, Path::new(DROP_IN), keywords), included, "{main}");
        }
    }

    #[test]
    fn an_include_of_itself_ends() {
        let (_dir, root) = machine(&[("sshd_config", "Include sshd_config\nPort 1\n")]);
        assert_eq!(first_value(&directives(&root), "port").unwrap().value, "1");
    }
}
