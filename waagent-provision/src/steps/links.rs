//! Names that handlers look for in `/var/lib/waagent`: links to the certificates' real place.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use waagent_common::documents::{CertificateState, Certificates};
use waagent_common::durable;
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
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(0);
    }
    symlink(format!("certs/{name}"), &path).with_context(|| format!("cannot link '{}'", path.display()))?;
    durable::sync_folder(&path)?;
    Ok(1)
}
