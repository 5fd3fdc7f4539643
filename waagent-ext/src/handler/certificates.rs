//! Links to certificates and keys, where published handlers look for them: `<lib>/<thumbprint>.crt` and `.prv`.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use waagent_common::documents::Certificates;
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::types::Thumbprint;

/// Makes the links that are missing, and removes those whose target is gone.
pub(crate) fn link(root: &Root, certificates: &Certificates) -> Result<(), Fault> {
    for row in &certificates.certificates {
        let kinds: &[&str] = if row.has_private_key { &["crt", "prv"] } else { &["crt"] };
        for kind in kinds {
            link_one(root, &format!("{}.{kind}", row.thumbprint))?;
        }
    }
    remove_stale(root);
    Ok(())
}

fn link_one(root: &Root, name: &str) -> Result<(), Fault> {
    let path = root.state_path(name);
    let target = Path::new("certs").join(name);
    let is_made = || fs::read_link(&path).is_ok_and(|there| there == target);
    if is_made() || !root.state_path(&target).exists() {
        return Ok(());
    }
    let failed = |error: io::Error| {
        Fault::new(Exit::CannotCreate, format!("cannot make link '{}': {error}", path.display()))
    };
    match symlink(&target, &path) {
        // waagent-provision makes the same ones, perhaps in this moment.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_made() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A link of another kind is replaced; a file there is somebody's own, and holds.
            if path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_symlink()) {
                fs::remove_file(&path).and_then(|()| symlink(&target, &path)).map_err(failed)?;
            }
            Ok(())
        }
        made => made.map_err(failed),
    }
}

fn remove_stale(root: &Root) {
    let Ok(entries) = fs::read_dir(root.state_path("")) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((stem, "crt" | "prv")) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        let ours = Thumbprint::try_from(stem).is_ok()
            && fs::read_link(entry.path()).is_ok_and(|target| target.starts_with("certs"));
        if ours && !entry.path().exists() {
            let path = entry.path().display().to_string();
            match fs::remove_file(entry.path()) {
                Ok(()) => log::info(&format!("removed '{path}': the certificate is gone")),
                Err(error) => log::warning(&format!("cannot remove '{path}': {error}, ignoring")),
            }
        }
    }
}

/// The spelling of a thumbprint that there is a file for: extensions build the path from it.
pub(crate) fn spelling(received: &str, certificates: Option<&Certificates>) -> String {
    let upper = received.to_ascii_uppercase();
    let known = certificates.is_some_and(|certificates| {
        certificates.certificates.iter().any(|row| row.thumbprint.as_str() == upper)
    });
    if known { upper } else { received.to_owned() }
}
