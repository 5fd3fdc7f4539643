//! Whose signatures count: the roots that the agent's package brings, and what the administrator asks for.

use waagent_common::config::{Config, OptionalTextKey, TextKey};
use waagent_common::durable::read_with_owner;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sys::cms::Roots;

/// What a signature is judged by.
#[derive(Debug)]
pub struct Trust {
    /// Roots of those who sign packages.
    pub packages: Roots,
    /// Roots of time stamp authorities.
    pub stamps: Roots,
    /// Organisations that may sign; empty: all.
    pub organisations: Vec<String>,
    /// Must there be a time stamp?
    pub needs_stamp: bool,
}

impl Trust {
    /// Reads the roots, as they are now. A missing file trusts nobody; one that others may write is refused.
    pub(crate) fn read(root: &Root, config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            packages: roots(root, PACKAGES)?,
            stamps: roots(root, STAMPS)?,
            organisations: organisations(config.optional_text(OptionalTextKey::ExtensionsSigningSubjects))?,
            needs_stamp: config.text(TextKey::ExtensionsSignatureTime) == "required",
        })
    }
}

/// A list that is set and names nobody isn't the same as none: that would trust all.
fn organisations(list: Option<&str>) -> Result<Vec<String>, Fault> {
    let named: Vec<String> = list
        .unwrap_or_default()
        .split(';')
        .map(|one| one.trim().to_owned())
        .filter(|one| !one.is_empty())
        .collect();
    if named.is_empty() && list.is_some_and(|list| !list.trim().is_empty()) {
        return Err(Fault::new(Exit::Config, "Extensions.SigningSubjects is set and names no organisation"));
    }
    Ok(named)
}

fn roots(root: &Root, path: &str) -> Result<Roots, Fault> {
    match read_with_owner(&root.path(path), MAX) {
        Err(fault) if fault.exit == Exit::NoInput => Ok(Roots::default()),
        Err(fault) => Err(fault),
        Ok((_, owner)) if owner.uid != 0 || owner.mode & 0o022 != 0 => {
            Err(Fault::data(format!("others than root may write '{path}'")))
        }
        Ok((bytes, _)) => Ok(Roots::from_pem(&bytes)),
    }
}

const PACKAGES: &str = "/usr/share/waagent/signing-roots.pem";
const STAMPS: &str = "/usr/share/waagent/timestamp-roots.pem";
/// Largest file of roots, in bytes.
const MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_names_nobody_trusts_nobody() {
        assert!(organisations(Some(" ; ")).unwrap_err().text.contains("Extensions.SigningSubjects"));
        assert_eq!(organisations(Some("Contoso ;")).unwrap(), ["Contoso"]);
        assert!(organisations(None).unwrap().is_empty() && organisations(Some("")).unwrap().is_empty());
    }
}
