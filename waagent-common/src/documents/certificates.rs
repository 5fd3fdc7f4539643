//! Certificates for this machine: sealed as the platform sends them, and what waagent-certs found in them.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::types::Thumbprint;
use crate::words;

/// The platform's answer to a certificates request, still sealed.
///
/// Written by waagent-fetch; read by waagent-certs. Secrets: sealed for the transport key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedCertificates {
    /// Incarnation in the URI that was asked for.
    pub uri_incarnation: String,
    /// The container that the goal state named.
    pub container_id: String,
    /// Content cipher that the request asked for.
    pub cipher_requested: CertificateCipher,
    /// Thumbprint of the transport certificate that was sent.
    pub transport_thumbprint: Thumbprint,
    /// `Format` of the answer, e.g. `Pkcs7BlobWithPfxContents`; absent where the answer had none.
    pub format: Option<String>,
    /// CMS EnvelopedData, DER in base64; absent where the platform has no certificates for this machine.
    pub data_base64: Option<String>,
}

words! {
    /// Ciphers that the platform seals with, in the words of its header `x-ms-cipher-name`.
    pub enum CertificateCipher {
        /// AES with 128 bits.
        Aes = "AES128_CBC",
        /// Triple DES: what an old platform falls back to.
        TripleDes = "DES_EDE3_CBC",
    }
}

impl Body for SealedCertificates {
    const NAME: &'static str = "sealed-certificates";
    const PATH: &'static str = "/var/lib/waagent/fetch/certificates.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";
    // The envelope is besides the answer of 6 MiB.
    const MAX_BYTES: u64 = (6 << 20) + (64 << 10);

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("uri_incarnation", &mut self.uri_incarnation, 64);
        bounds.text("container_id", &mut self.container_id, 128);
        bounds.texts("format", &mut self.format, 64);
        let sealed = self.data_base64.as_ref().map_or(0, String::len);
        bounds.whole("data_base64", sealed, 6 << 20);
    }
}

/// What was unsealed: public parts only.
///
/// Written by waagent-certs; read by waagent-fetch, waagent-ext, waagent-provision. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// One row for each certificate of the answer.
    pub certificates: Vec<CertificateRow>,
    /// Another cipher to ask for, once for this input.
    pub needs: Option<CertificateCipher>,
    /// Integrity of the PFX.
    pub mac: MacState,
    /// What couldn't be opened, and what to do about it.
    pub errors: Vec<String>,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRow {
    /// Names the files `<thumbprint>.crt` and `.prv`.
    pub thumbprint: Thumbprint,
    /// Is there a `.prv`?
    pub has_private_key: bool,
    /// Subject, one line.
    pub subject: String,
    /// Issuer, one line.
    pub issuer: String,
    /// End of validity, RFC 3339.
    pub not_after: String,
    /// Friendly name in the PFX.
    pub friendly_name: Option<String>,
    /// `rsa-2048`, `ec-p256` ...
    pub key_type: String,
    /// Is it usable?
    pub state: CertificateState,
}

words! {
    /// State of one certificate.
    pub enum CertificateState {
        /// In place and within its validity.
        Installed = "installed",
        /// In place, but its validity has ended (or not begun).
        Expired = "expired",
        /// Couldn't be written; `errors` says why.
        Failed = "failed",
    }
}

words! {
    /// Was the PFX's MAC checked?
    pub enum MacState {
        /// It is right; of a PFX whose MAC isn't nothing is taken.
        Verified = "verified",
        /// There was nothing to check.
        None = "none",
    }
}

impl Body for Certificates {
    const NAME: &'static str = "certificates";
    const PATH: &'static str = "/var/lib/waagent/certs/certificates.json";
    const PROGRAM: &'static str = "waagent-certs";
    const WRITER: &'static str = "waagent-certs";
    const MAX_BYTES: u64 = 1 << 20;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.list("certificates", &mut self.certificates, 64);
        for row in &mut self.certificates {
            bounds.text("certificates[].subject", &mut row.subject, 1024);
            bounds.text("certificates[].issuer", &mut row.issuer, 1024);
            bounds.text("certificates[].not_after", &mut row.not_after, 40);
            bounds.texts("certificates[].friendly_name", &mut row.friendly_name, 1024);
            bounds.text("certificates[].key_type", &mut row.key_type, 64);
        }
        bounds.list("errors", &mut self.errors, 128);
        bounds.texts("errors[]", &mut self.errors, 2048);
    }
}
