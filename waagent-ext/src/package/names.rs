//! Names of a package's entries: plain paths below the handler's folder, or none at all.

use waagent_common::fault::Fault;
use waagent_common::text::shown;

/// Longest path and part, in bytes, and most parts.
const MAX_PATH: usize = 1024;
const MAX_PART: usize = 255;
const MAX_PARTS: usize = 32;

/// The parts of an entry's name. Empty for the handler's folder itself.
pub(crate) fn parts(name: &str) -> Result<Vec<&str>, Fault> {
    let refuse = |why: &str| Err(Fault::data(format!("unsafe path '{}': {why}", shown(name))));
    if name.is_empty() {
        return refuse("empty");
    }
    if name.len() > MAX_PATH {
        return refuse("longer than 1024 bytes");
    }
    if name.starts_with('/') {
        return refuse("absolute");
    }
    if name.contains('\\') {
        return refuse("holds a back slash");
    }
    if name.chars().any(char::is_control) {
        return refuse("holds a control character");
    }
    let parts: Vec<&str> = split(name).collect();
    if parts.contains(&"..") {
        return refuse("leads out of the folder");
    }
    if parts.len() > MAX_PARTS {
        return refuse("more than 32 folders deep");
    }
    if parts.iter().any(|part| part.len() > MAX_PART) {
        return refuse("a part longer than 255 bytes");
    }
    Ok(parts)
}

/// The parts of a name, whatever they are.
pub(crate) fn split(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Names that are the agent's: from a package they would forge its state.
pub(crate) fn is_ours(parts: &[&str]) -> bool {
    match parts {
        ["HandlerEnvironment.json" | "package_validated"] => true,
        ["config", file] => {
            matches!(*file, "HandlerState" | "HandlerStatus") || file.ends_with(".HandlerState")
        }
        _ => false,
    }
}

/// May a symbolic link point there? Only to something beside or below it: it is written as text, as all agents do.
pub(crate) fn is_harmless_target(target: &[u8]) -> bool {
    std::str::from_utf8(target).is_ok_and(|target| {
        let target = target.trim_end_matches('\n');
        parts(target).is_ok_and(|parts| !parts.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_names_and_drops_empty_parts() {
        assert_eq!(parts("./a//b/c.txt").unwrap(), ["a", "b", "c.txt"]);
        assert_eq!(parts("bin/").unwrap(), ["bin"]);
        assert_eq!(parts("ü ..b").unwrap(), ["ü ..b"]);
    }

    #[test]
    fn refuses_every_way_out() {
        let long = "a".repeat(1025);
        let part = "a".repeat(256);
        let deep = "a/".repeat(33);
        for bad in [
            "",
            "/etc/x",
            "../x",
            "a/../../x",
            "a/..",
            "..",
            "a\\b",
            "a\nb",
            "a\0b",
            "a\u{7f}",
            &long,
            &part,
            &deep,
        ] {
            assert!(parts(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn knows_its_own_names() {
        for ours in
            ["HandlerEnvironment.json", "./config/HandlerState", "config/x.HandlerState", "package_validated"]
        {
            assert!(is_ours(&parts(ours).unwrap()), "{ours}");
        }
        for other in ["bin/HandlerEnvironment.json", "config/1.settings", "config/sub/HandlerState"] {
            assert!(!is_ours(&parts(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn links_may_point_down_only() {
        for (target, harmless) in [
            ("lib.so.1", true),
            ("a/b\n", true),
            ("/etc/passwd", false),
            ("../x", false),
            ("a/../..", false),
            ("", false),
        ] {
            assert_eq!(is_harmless_target(target.as_bytes()), harmless, "{target}");
        }
    }
}
