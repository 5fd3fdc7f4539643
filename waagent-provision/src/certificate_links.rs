//! Names that handlers look for in `/var/lib/waagent`: links to the certificates' real place.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use anyhow::Result;
use waagent_common::documents::{CertificateState, Certificates};
use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::root::Root;

/// Makes the links that are missing; what somebody else put there stays.
pub(crate) fn place(root: &Root, certificates: &Certificates) -> Result<usize> {
    let mut made = 0;
    for row in &certificates.certificates {
        if row.state == CertificateState::Failed {
            continue;
        }
        made += link(root, &format!("{}.crt", row.thumbprint))?;
        if row.has_private_key {
            made += link(root, &format!("{}.prv", row.thumbprint))?;
        }
    }
    Ok(made)
}

fn link(root: &Root, name: &str) -> Result<usize> {
    let path = root.state_path(name);
    match symlink(format!("certs/{name}"), &path) {
        // waagent-ext makes the same ones, perhaps in this moment.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(0),
        made => made.map_err(|e| Fault::io(format!("cannot link '{}': {e}", path.display())).because(e))?,
    }
    durable::sync_folder(&path)?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_link_once_and_leaves_what_another_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        std::fs::create_dir_all(root.state_path("certs")).unwrap();
        assert_eq!([link(&root, "A.crt").unwrap(), link(&root, "A.crt").unwrap()], [1, 0]);
        std::fs::write(root.state_path("B.crt"), "somebody's").unwrap();
        assert_eq!(link(&root, "B.crt").unwrap(), 0);
        assert_eq!(std::fs::read(root.state_path("B.crt")).unwrap(), b"somebody's");
    }
}
