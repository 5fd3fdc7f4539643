//! Step `key-pairs`: private keys that the deployment wants in a user's home.

use std::path::Path;

use anyhow::{Result, bail};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::secret::Secret;
use waagent_common::types::Thumbprint;

use crate::certificate_lookup::{Lookup, look_up};
use crate::key_file::KeyFile;
use crate::pass::{Pass, StepOutcome};
use crate::{home, privileges};

/// Private keys that a classic deployment wants in the home: copied as they are, never parsed, with the public half
/// beside.
pub(crate) fn copy(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let mut lacking = Vec::new();
    let mut copied = 0;
    for pair in &pass.plan.key_pairs {
        let KeyFile::InHome(file) = &pair.target else { continue };
        let (Lookup::Found(public), Some(private)) =
            (look_up(pass.root, &pair.thumbprint)?, private_key(pass, &pair.thumbprint)?)
        else {
            lacking.push(format!("certificate {}", pair.thumbprint));
            continue;
        };
        let line = format!("{}\n", public.line());
        copied += usize::from(place(pass, file, &private, &line)?);
    }
    if !lacking.is_empty() {
        return Ok(StepOutcome::Waiting(lacking));
    }
    Ok(match (pass.plan.key_pairs.len(), copied) {
        (0, _) => StepOutcome::Skipped("none".to_owned()),
        (all, 0) => StepOutcome::Unchanged(format!("{all} key pairs are in the home")),
        (all, _) => StepOutcome::Done(format!("{all} key pairs, {copied} of them new")),
    })
}

/// Only waagent-certs' own user may read it: the one use of the right over file modes in this program.
fn private_key(pass: &Pass<'_>, thumbprint: &Thumbprint) -> Result<Option<Secret<Vec<u8>>>> {
    let path = pass.root.state_path(format!("certs/{thumbprint}.prv"));
    match privileges::over_file_modes(|| durable::read_bounded(&path, 64 << 10)) {
        Ok(bytes) => Ok(Some(Secret::new(bytes))),
        Err(fault) if fault.exit == Exit::NoInput => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// A file of that name that says something else is never overwritten.
fn place(pass: &Pass<'_>, file: &Path, private: &Secret<Vec<u8>>, line: &str) -> Result<bool> {
    let account = pass.account()?;
    let name = Path::new(file.file_name().unwrap_or_default()).to_path_buf();
    let mut public = name.clone().into_os_string();
    public.push(".pub");
    home::in_folder_of(pass, &account, file, |folder| {
        let mut placed = false;
        for (name, bytes, mode) in [
            (name.as_path(), private.expose().as_slice(), 0o600),
            (Path::new(&public), line.as_bytes(), 0o644),
        ] {
            match home::read(folder, name, account.uid)? {
                Some(old) if old == bytes => {}
                Some(_) => {
                    let text = format!("'{}' exists and is another key; remove it", file.display());
                    bail!(Fault::new(Exit::Os, text));
                }
                None => {
                    home::replace(folder, name, bytes, mode)?;
                    placed = true;
                }
            }
        }
        Ok(placed)
    })
}
