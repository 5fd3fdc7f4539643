//! The inner layer: what was in the key store, each certificate with its key.

use anyhow::Result;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Private, Public};
use openssl::x509::{X509, X509NameRef};
use waagent_common::sys::pkcs12::{self, Bag};
use waagent_common::text::one_line;
use waagent_common::types::Thumbprint;

use crate::transport_pair::thumbprint;

/// A certificate, and its key if there is one.
pub struct Entry {
    /// The platform's name for it.
    pub(crate) thumbprint: Thumbprint,
    /// The certificate.
    pub(crate) certificate: X509,
    /// Its private key.
    pub(crate) key: Option<PKey<Private>>,
    /// Its name in the store, cut.
    pub(crate) friendly_name: Option<String>,
}

/// What a store came to.
pub(crate) struct Contents {
    /// Certificates, in the order of the store, each once.
    pub(crate) entries: Vec<Entry>,
    /// What was left out, and what to do about it.
    pub(crate) errors: Vec<String>,
}

/// Opens a store and gives each certificate its key. One bad bag doesn't spoil the others.
pub(crate) fn open(store: &[u8]) -> Result<Contents, pkcs12::Refusal> {
    let store = pkcs12::open(store)?;
    let mut errors: Vec<String> = store.notes.iter().map(|note| one_line(&note.text, LONGEST)).collect();
    if store.notes.iter().any(|note| note.is_unsupported) {
        errors.push(REMEDY.to_owned());
    }
    let (mut keys, mut entries) = (Vec::new(), Vec::new());
    for bag in store.bags {
        match bag {
            Bag::Key(der) => match PKey::private_key_from_pkcs8(&der) {
                Ok(key) => keys.push(key),
                Err(_) => errors.push("a private key is damaged or of an unknown kind, left out".to_owned()),
            },
            Bag::Certificate { der, friendly_name } => match entry(&der, friendly_name) {
                Ok(entry) if entries.iter().any(|other: &Entry| other.thumbprint == entry.thumbprint) => {}
                Ok(entry) => entries.push(entry),
                Err(_) => errors.push("a certificate is damaged, left out".to_owned()),
            },
        }
    }
    for key in keys {
        if !give(&key, &mut entries) {
            errors.push(format!("a private key ({}) has no certificate, left out", kind(&key)));
        }
    }
    Ok(Contents { entries, errors })
}

/// Gives the key to each certificate that it belongs to; whether there was one.
fn give(key: &PKey<Private>, entries: &mut [Entry]) -> bool {
    let mut is_given = false;
    for entry in entries {
        if entry.certificate.public_key().is_ok_and(|public| public.public_eq(key)) {
            entry.key = Some(key.clone());
            is_given = true;
        }
    }
    is_given
}

fn entry(der: &[u8], friendly_name: Option<String>) -> Result<Entry> {
    let certificate = X509::from_der(der)?;
    let friendly_name = friendly_name.map(|name| one_line(&name, LONGEST));
    Ok(Entry { thumbprint: thumbprint(&certificate)?, certificate, key: None, friendly_name })
}

/// `rsa-2048`, `ec-prime256v1`, `ed25519`.
pub(crate) fn key_type(certificate: &X509) -> String {
    certificate.public_key().map_or_else(|_| "unknown".to_owned(), |key: PKey<Public>| kind(&key))
}

fn kind<T: openssl::pkey::HasPublic>(key: &PKeyRef<T>) -> String {
    match key.id() {
        Id::RSA => format!("rsa-{}", key.bits()),
        Id::EC => {
            let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
            format!("ec-{}", curve.and_then(|nid: Nid| nid.short_name().ok()).unwrap_or("unnamed"))
        }
        Id::ED25519 => "ed25519".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// A name in one line, `CN=..., OU=...`, cut.
pub(crate) fn name(name: &X509NameRef) -> String {
    let part = |entry: &openssl::x509::X509NameEntryRef| {
        let key = entry.object().nid().short_name().unwrap_or("?").to_owned();
        let value = entry.data().to_string().unwrap_or_else(|_| "?".to_owned());
        format!("{key}={value}")
    };
    one_line(&name.entries().map(part).collect::<Vec<_>>().join(", "), LONGEST)
}

/// Bytes of a name or an error in the document.
const LONGEST: usize = 512;
/// The property is described at <https://learn.microsoft.com/azure/virtual-machines/extensions/agent-linux-fips>.
const REMEDY: &str = "this machine's libcrypto has no algorithm for a part of the platform's answer, as in FIPS mode; set \
                      additionalCapabilities.enableFips1403Encryption on the VM, then deallocate and start it";
