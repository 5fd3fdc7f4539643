//! Key pairs and certificates of a scenario: made when first needed, kept in the state folder if there is one,
//! so that the DVD and the platform, made by two runs, speak of the same certificates.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectKeyIdentifier};
use openssl::x509::{X509, X509Builder, X509Name};
use waagent_common::digest::hex;

use crate::scenario::CertificateSpec;

/// A certificate and its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Friendly name.
    pub name: String,
    /// The private key, RSA 2048.
    pub key: PKey<Private>,
    /// Self-signed.
    pub certificate: X509,
    /// Whether the platform sends the key too.
    pub send_key: bool,
}

/// All of a scenario, by name.
pub type Identities = BTreeMap<String, Identity>;

/// Makes what isn't there yet; `state` keeps it in `certs/<name>.key` and `.crt`.
pub fn all(specs: &[CertificateSpec], state: Option<&Path>) -> Result<Identities> {
    let folder = state.map(|state| state.join("certs"));
    specs
        .iter()
        .map(|spec| {
            let identity = match &folder {
                Some(folder) => kept(spec, folder),
                None => Identity::new(spec),
            };
            Ok((spec.name.clone(), identity.with_context(|| format!("certificate '{}'", spec.name))?))
        })
        .collect()
}

fn kept(spec: &CertificateSpec, folder: &Path) -> Result<Identity> {
    fs::create_dir_all(folder)?;
    let (key, certificate) =
        (folder.join(format!("{}.key", spec.name)), folder.join(format!("{}.crt", spec.name)));
    if key.exists() && certificate.exists() {
        return Ok(Identity {
            name: spec.name.clone(),
            key: PKey::private_key_from_pem(&fs::read(&key)?)?,
            certificate: X509::from_pem(&fs::read(&certificate)?)?,
            send_key: spec.key,
        });
    }
    let identity = Identity::new(spec)?;
    write_private(&key, &identity.key.private_key_to_pem_pkcs8()?)?;
    fs::write(&certificate, identity.certificate.to_pem()?)?;
    Ok(identity)
}

/// A file that only its owner reads, as `ssh -i` demands of a key.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(bytes)?)
}

impl Identity {
    /// A new key and a self-signed certificate of ten years.
    pub fn new(spec: &CertificateSpec) -> Result<Self> {
        let key = PKey::from_rsa(Rsa::generate(2048)?)?;
        let mut name = X509Name::builder()?;
        name.append_entry_by_nid(Nid::COMMONNAME, spec.subject.as_deref().unwrap_or(&spec.name))?;
        let name = name.build();
        let mut builder = certificate_builder(&name, &name, &key)?;
        builder.append_extension(BasicConstraints::new().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { name: spec.name.clone(), key, certificate: builder.build(), send_key: spec.key })
    }

    /// SHA-1 of the DER, 40 upper-case hexadecimal digits.
    pub fn thumbprint(&self) -> Result<String> {
        let digest = self.certificate.digest(MessageDigest::sha1())?;
        Ok(hex(&digest).to_ascii_uppercase())
    }

    /// The public key as one OpenSSH line (RFC 4253 6.6).
    pub fn ssh_line(&self) -> Result<String> {
        let rsa = self.key.rsa()?;
        let mut blob = Vec::new();
        for part in [b"ssh-rsa".to_vec(), multiple_precision(rsa.e()), multiple_precision(rsa.n())] {
            blob.extend_from_slice(&u32::try_from(part.len())?.to_be_bytes());
            blob.extend_from_slice(&part);
        }
        Ok(format!("ssh-rsa {} {}", STANDARD.encode(blob), self.name))
    }
}

/// A builder with all that certificates of the fabric share: version 3, random serial, ten years.
pub fn certificate_builder(
    subject: &openssl::x509::X509NameRef,
    issuer: &openssl::x509::X509NameRef,
    key: &PKey<Private>,
) -> Result<X509Builder> {
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    let yesterday = jiff::Timestamp::now().as_second() - 86_400;
    builder.set_not_before(&*Asn1Time::from_unix(yesterday)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(3650)?)?;
    Ok(builder)
}

/// RFC 4251 5, mpint: a leading zero where the first bit is set.
fn multiple_precision(number: &openssl::bn::BigNumRef) -> Vec<u8> {
    let mut bytes = number.to_vec();
    if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        bytes.insert(0, 0);
    }
    bytes
}
