//! The environment of what is run for the platform: built from nothing.

use std::collections::BTreeMap;

use crate::durable::read_bounded;
use crate::root::Root;

/// systemd's own default for services, and the two folders that older systems don't merge.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where systems say their language: Fedora and Azure Linux, then Debian.
const LOCALES: &[&str] = &["/etc/locale.conf", "/etc/default/locale"];

/// What every command gets: `PATH`, `LANG`, and `OPENSSL_FIPS` where the configuration asks for it.
pub fn basic(root: &Root, fips: bool) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("LANG".to_owned(), language(root).unwrap_or_else(|| "C.UTF-8".to_owned())),
    ]);
    if fips {
        environment.insert("OPENSSL_FIPS".to_owned(), "1".to_owned());
    }
    environment
}

/// `LANG=` of the system; whatever is odd there counts as absent.
fn language(root: &Root) -> Option<String> {
    let text = LOCALES.iter().find_map(|path| read_bounded(&root.path(path), 64 << 10).ok())?;
    let text = String::from_utf8_lossy(&text);
    let value = text.lines().find_map(|line| line.trim().strip_prefix("LANG="))?;
    let value = value.trim_matches(['"', '\'']);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    (!value.is_empty() && value.len() <= 64 && value.bytes().all(plain)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn takes_the_systems_language_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::new(scratch.path());
        assert_eq!(basic(&root, false).len(), 2);
        assert_eq!(basic(&root, true)["LANG"], "C.UTF-8");
        fs::create_dir_all(scratch.path().join("etc")).unwrap();
        fs::write(scratch.path().join("etc/locale.conf"), "LC_ALL=x\nLANG=\"de_DE.UTF-8\"\n").unwrap();
        assert_eq!(basic(&root, false)["LANG"], "de_DE.UTF-8");
        fs::write(scratch.path().join("etc/locale.conf"), "LANG=$(reboot)\n").unwrap();
        assert_eq!(basic(&root, false)["LANG"], "C.UTF-8");
    }
}
