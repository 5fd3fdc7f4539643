//! What the status says about the operating system: `os-release(5)` and the host name.

use waagent_common::durable::read_bounded;
use waagent_common::root::Root;
use waagent_common::text::cut;

/// Distribution and version; they don't change while a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Os {
    /// `ID` in lower case: `azurelinux`, `debian`.
    pub(crate) name: String,
    /// `VERSION_ID`; empty in distributions that roll.
    pub(crate) version: String,
}

impl Os {
    /// Reads `/etc/os-release`, or the vendor's `/usr/lib/os-release`, to which it usually is a link.
    pub(crate) fn read(root: &Root) -> Self {
        let read = |path: &str| read_bounded(&root.path(path), MAX_BYTES).ok();
        let bytes = read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            let value = lines.next_back().unwrap_or_default().trim();
            let bare = value.trim_matches(|c| c == '"' || c == '\'');
            cut(bare, 64).chars().filter(|c| !c.is_control()).collect::<String>()
        };
        let name = value("ID").to_ascii_lowercase();
        // `linux` is what os-release(5) says for a missing ID.
        let name = if name.is_empty() { "linux".to_owned() } else { name };
        Self { name, version: value("VERSION_ID") }
    }
}

/// The host name that the kernel has now.
pub(crate) fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    cut(&name.to_string_lossy(), 255).to_owned()
}

const MAX_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_distributions_write() {
        for (text, name, version) in [
            ("NAME=\"Microsoft Azure Linux\"\nID=azurelinux\nVERSION_ID=\"3.0\"\n", "azurelinux", "3.0"),
            ("VERSION_ID='12'\nID=Debian\nID_LIKE=x\n", "debian", "12"),
            ("# nothing\n", "linux", ""),
            ("ID=\"a\u{7}b\"\n", "ab", ""),
        ] {
            assert_eq!(Os::parse(text), Os { name: name.to_owned(), version: version.to_owned() });
        }
    }

    #[test]
    fn follows_no_link_and_falls_back_to_the_vendors_file() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", scratch.path().join("etc/os-release")).unwrap();
        let vendor = read_bounded(std::path::Path::new("/usr/lib/os-release"), MAX_BYTES).unwrap_or_default();
        let expected = Os::parse(&String::from_utf8_lossy(&vendor));
        assert_eq!(Os::read(&Root::new(scratch.path())), expected);
    }
}
