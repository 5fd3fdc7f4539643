//! Names that handlers look for in `/var/lib/waagent`: links to the certificates' real place.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use waagent_common::documents::{CertificateState, Certificates};
use waagent_common::durable;
use waagent_common::place::Place;

/// Makes the links that are missing; what somebody else put there stays.
pub(crate) fn place(place: &Place, certificates: &Certificates) -> Result<usize> {
    let mut made = 0;
    for row in &certificates.certificates {
        if row.state == CertificateState::Failed {
            continue;
        }
        made += link(place, &format!("{}.crt", row.thumbprint))?;
        if row.has_private_key {
            made += link(place, &format!("{}.prv", row.thumbprint))?;
        }
    }
    Ok(made)
}

fn link(place: &Place, name: &str) -> Result<usize> {
    let path = place.lib(name);
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(0);
    }
    symlink(format!("certs/{name}"), &path).with_context(|| format!("cannot link '{}'", path.display()))?;
    durable::sync_folder(&path)?;
    Ok(1)
}
