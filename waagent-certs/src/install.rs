//! Puts certificates and keys where the contract says that they are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use jiff::Timestamp;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use waagent_common::documents::{CertificateRow, CertificateState};
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::types::Thumbprint;
use waagent_common::{durable, time};
use zeroize::Zeroizing;

use crate::pkcs12_contents::{Entry, key_type, name};

/// Writes the files of one certificate: its row, and whether anything had to be written.
pub(crate) fn install(root: &Root, entry: &Entry, now: Timestamp) -> (CertificateRow, Result<bool>) {
    let mut row = row(entry, now);
    let written = write(root, entry);
    if written.is_err() {
        row.state = CertificateState::Failed;
    }
    (row, written)
}

/// The row of a certificate that is about to be installed.
pub(crate) fn row(entry: &Entry, now: Timestamp) -> CertificateRow {
    let certificate = &entry.certificate;
    let (begin, end) = (timestamp(certificate.not_before()), timestamp(certificate.not_after()));
    let is_valid = begin.is_some_and(|begin| begin <= now) && end.is_some_and(|end| now <= end);
    CertificateRow {
        thumbprint: entry.thumbprint.clone(),
        has_private_key: entry.key.is_some(),
        subject: name(certificate.subject_name()),
        issuer: name(certificate.issuer_name()),
        not_after: end.map_or_else(|| "unknown".to_owned(), |end| time::of_unix(end.as_second())),
        friendly_name: entry.friendly_name.clone(),
        key_type: key_type(certificate),
        state: if is_valid { CertificateState::Installed } else { CertificateState::Expired },
    }
}

/// Whether a row still holds, and its files are there. No more is asked: only this program may write them.
pub(crate) fn is_in_place(root: &Root, row: &CertificateRow, now: Timestamp) -> bool {
    let (certificate, key) = files(root, &row.thumbprint);
    let is_there = |path: &Path, mode: u32| {
        durable::open_regular(path)
            .and_then(|file| file.metadata().map_err(|error| Fault::io(error.to_string())))
            .is_ok_and(|meta| meta.len() > 0 && meta.permissions().mode() & 0o7777 == mode)
    };
    let is_valid = time::parse(&row.not_after).is_some_and(|end| SystemTime::from(now) <= end);
    row.state == CertificateState::Installed
        && is_valid
        && is_there(&certificate, CERTIFICATE_MODE)
        && (!row.has_private_key || is_there(&key, KEY_MODE))
}

fn write(root: &Root, entry: &Entry) -> Result<bool> {
    let (certificate, key) = files(root, &entry.thumbprint);
    let mut is_changed = false;
    if let Some(private) = &entry.key {
        let pem = Zeroizing::new(private.private_key_to_pem_pkcs8().context("cannot encode a private key")?);
        is_changed = put(&key, &pem, KEY_MODE, root.is_labelled().then_some(KEY_TYPE))?;
    }
    // Last: who waits for the certificate finds the key beside it.
    Ok(put(&certificate, &entry.certificate.to_pem()?, CERTIFICATE_MODE, None)? || is_changed)
}

/// Certificate and key.
fn files(root: &Root, thumbprint: &Thumbprint) -> (PathBuf, PathBuf) {
    (root.state_path(format!("certs/{thumbprint}.crt")), root.state_path(format!("certs/{thumbprint}.prv")))
}

/// Writes a file unless it is there as it should be; whether it was written.
fn put(path: &Path, bytes: &[u8], mode: u32, kind: Option<&str>) -> Result<bool, Fault> {
    let is_there = durable::read_with_owner(path, LARGEST)
        .is_ok_and(|(old, owner)| *Zeroizing::new(old) == *bytes && owner.mode == mode);
    if is_there { Ok(false) } else { durable::write_typed(path, bytes, mode, kind).map(|()| true) }
}

/// A time of a certificate; none where it is damaged.
fn timestamp(time: &Asn1TimeRef) -> Option<Timestamp> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    Timestamp::from_second(i64::from(since.days) * 86_400 + i64::from(since.secs)).ok()
}

const CERTIFICATE_MODE: u32 = 0o444;
const KEY_MODE: u32 = 0o400;
/// SELinux type of a certificate's key, which handlers and provisioning may read.
const KEY_TYPE: &str = "waagent_key_t";
/// Bytes of a PEM file.
const LARGEST: u64 = 64 << 10;
