//! One transport pair: an RSA key, and the self-signed certificate that names it by its subjectKeyIdentifier.

use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, SubjectKeyIdentifier};
use openssl::x509::{X509, X509Name};
use waagent_common::digest::hex;
use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::types::Thumbprint;
use zeroize::Zeroizing;

/// A key and its certificate.
pub struct Pair {
    /// The private half.
    pub(crate) key: PKey<Private>,
    /// The public half, as the platform gets it.
    pub certificate: X509,
}

impl Pair {
    /// A new pair: RSA 3072, SHA-256, 730 days from yesterday, since the clock of a first boot may run behind.
    pub fn make(now: Timestamp) -> Result<Self> {
        let key = PKey::from_rsa(Rsa::generate(BITS).context("cannot make a transport key")?)?;
        let mut name = X509Name::builder()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "LinuxTransport")?;
        let name = name.build();
        let mut serial = BigNum::new()?;
        serial.rand(SERIAL_BITS, MsbOption::MAYBE_ZERO, false)?;
        let mut builder = X509::builder()?;
        builder.set_version(VERSION_3)?;
        builder.set_serial_number(&*serial.to_asn1_integer()?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(&*Asn1Time::from_unix(now.as_second() - DAY)?)?;
        builder.set_not_after(&*Asn1Time::from_unix(now.as_second() + LIFE_DAYS * DAY)?)?;
        builder.set_pubkey(&key)?;
        // In this order: the authority's identifier is taken from the subject's.
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        let subject = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(subject)?;
        let authority =
            AuthorityKeyIdentifier::new().keyid(true).build(&builder.x509v3_context(None, None))?;
        builder.append_extension(authority)?;
        builder.sign(&key, MessageDigest::sha256()).context("cannot sign the transport certificate")?;
        Ok(Self { key, certificate: builder.build() })
    }

    /// The pair of this generation, if it is there, whole, and was never open to others.
    pub(crate) fn read(root: &Root, generation: u32) -> Option<Self> {
        let (private, public) = files(root, generation);
        let (key, owner) = durable::read_with_owner(&private, LARGEST).ok()?;
        let key = PKey::private_key_from_pem(&Zeroizing::new(key)).ok()?;
        let certificate = X509::from_pem(&durable::read_bounded(&public, LARGEST).ok()?).ok()?;
        let fits = certificate.public_key().is_ok_and(|public| public.public_eq(&key));
        (fits && owner.mode == KEY_MODE).then_some(Self { key, certificate })
    }

    /// Writes both files, the key first: a certificate without its key would be sent and never opened.
    pub(crate) fn write(&self, root: &Root, generation: u32) -> Result<()> {
        let (private, public) = files(root, generation);
        let pem = Zeroizing::new(self.key.private_key_to_pem_pkcs8()?);
        durable::write_typed(&private, &pem, KEY_MODE, root.is_labelled().then_some(KEY_TYPE))?;
        durable::write(&public, &self.certificate.to_pem()?, 0o444)?;
        Ok(())
    }

    /// The platform's name for it.
    pub(crate) fn thumbprint(&self) -> Result<Thumbprint> {
        thumbprint(&self.certificate)
    }
}

/// The files of a generation: key and certificate. The first has the names that the contract knows.
pub(crate) fn files(root: &Root, generation: u32) -> (PathBuf, PathBuf) {
    let suffix = if generation <= 1 { String::new() } else { format!("-{generation}") };
    let path = |stem: &str| root.state_path(format!("certs/{stem}{suffix}.pem"));
    (path(PRIVATE), path(PUBLIC))
}

/// The generation that a file of `certs/` belongs to; none for other files.
pub(crate) fn generation_of(name: &str) -> Option<u32> {
    let stem = name.strip_suffix(".pem")?;
    let suffix = stem.strip_prefix(PRIVATE).or_else(|| stem.strip_prefix(PUBLIC))?;
    if suffix.is_empty() {
        return Some(1);
    }
    suffix.strip_prefix('-')?.parse().ok().filter(|generation| *generation > 1)
}

/// SHA-1 of the DER in upper-case hexadecimal.
pub(crate) fn thumbprint(certificate: &X509) -> Result<Thumbprint> {
    let digest = certificate.digest(MessageDigest::sha1()).context("cannot compute a thumbprint")?;
    Ok(Thumbprint::try_from(hex(&digest).to_ascii_uppercase()).map_err(Fault::data)?)
}

/// Its owner alone, and read only.
const KEY_MODE: u32 = 0o400;
/// SELinux type of the transport key: no other program of the agent may read it.
const KEY_TYPE: &str = "waagent_transport_key_t";
const PRIVATE: &str = "TransportPrivate";
const PUBLIC: &str = "TransportCert";
/// FIPS asks for 2048 at least; NIST SP 800-57 counts 3072 as 128 bits of security.
const BITS: u32 = 3072;
const SERIAL_BITS: i32 = 128;
/// X.509 counts versions from 0.
const VERSION_3: i32 = 2;
const LIFE_DAYS: i64 = 730;
/// Seconds.
const DAY: i64 = 86_400;
/// Bytes of a PEM file; a key of 3072 bits has about 2500.
const LARGEST: u64 = 16 << 10;
