//! Looks up the public key of a certificate by the thumbprint on the medium, for the steps that wait for one.

use anyhow::{Context, Result, bail};
use openssl::hash::{MessageDigest, hash};
use openssl::x509::X509;
use waagent_common::digest::hex;
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::types::Thumbprint;

use crate::public_key::PublicKey;

/// A certificate that the medium names.
pub(crate) enum Lookup {
    /// Its public key.
    Found(PublicKey),
    /// It hasn't come over the network yet.
    Absent,
}

/// The public key of a certificate that waagent-certs unsealed. The file comes from the network: its thumbprint is
/// compared with the medium's before anything looks into it.
pub(crate) fn look_up(root: &Root, thumbprint: &Thumbprint) -> Result<Lookup> {
    let path = root.state_path(format!("certs/{thumbprint}.crt"));
    let pem = match durable::read_bounded(&path, MAX_CERTIFICATE) {
        Ok(pem) => pem,
        Err(fault) if fault.exit == Exit::NoInput => return Ok(Lookup::Absent),
        Err(fault) => return Err(fault.into()),
    };
    let refuse = |why: &str| {
        Fault::data(format!(
            "cannot use '{}': {why}; remove it, waagent-certs writes it again",
            path.display()
        ))
    };
    let der = der_of(&pem).ok_or_else(|| refuse("not a certificate in PEM"))?;
    let digest = hash(MessageDigest::sha1(), &der).context("SHA-1")?;
    let found = hex(&digest).to_ascii_uppercase();
    if found != thumbprint.as_str() {
        bail!(refuse(&format!("its thumbprint is {found}")));
    }
    let certificate = X509::from_der(&der).map_err(|_| refuse("not a certificate"))?;
    let key = certificate.public_key().map_err(|_| refuse("no public key that OpenSSL knows"))?;
    let key = PublicKey::from_certificate(&key).map_err(|why| refuse(&why.to_string()))?;
    Ok(Lookup::Found(key))
}

/// The bytes between the lines of PEM, without parsing them.
fn der_of(pem: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine;
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let dense: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(dense).ok()
}

const MAX_CERTIFICATE: u64 = 64 << 10;
