//! The certificate authority of the fabric's storage, and its server certificate.

use std::fs;
use std::path::Path;

use anyhow::Result;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Name};

use crate::identity::{certificate_builder, write_private};

/// A certificate authority: clients trust `certificate`.
#[derive(Clone, Debug)]
pub struct Authority {
    /// What clients trust.
    pub certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    /// The one of the state folder (`ca.pem`, `ca.key`), made if absent; without a folder a new one.
    pub fn open(state: Option<&Path>) -> Result<Self> {
        let Some(state) = state else { return Self::new() };
        let (certificate, key) = (state.join("ca.pem"), state.join("ca.key"));
        if certificate.exists() && key.exists() {
            return Ok(Self {
                certificate: X509::from_pem(&fs::read(certificate)?)?,
                key: PKey::private_key_from_pem(&fs::read(key)?)?,
            });
        }
        let authority = Self::new()?;
        fs::create_dir_all(state)?;
        write_private(&key, &authority.key.private_key_to_pem_pkcs8()?)?;
        fs::write(certificate, authority.certificate.to_pem()?)?;
        Ok(authority)
    }

    fn new() -> Result<Self> {
        let key = elliptic_key()?;
        let name = common_name("waagent fabric test CA")?;
        let mut builder = certificate_builder(&name, &name, &key)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// A TLS server whose certificate holds for these DNS names and addresses.
    pub fn acceptor(&self, names: &[String]) -> Result<SslAcceptor> {
        let key = elliptic_key()?;
        let subject = common_name("waagent fabric storage")?;
        let mut builder = certificate_builder(&subject, self.certificate.subject_name(), &key)?;
        builder.append_extension(BasicConstraints::new().build()?)?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let mut alternative = SubjectAlternativeName::new();
        for name in names {
            match name.parse::<std::net::IpAddr>() {
                Ok(_) => alternative.ip(name),
                Err(_) => alternative.dns(name),
            };
        }
        let alternative = alternative.build(&context)?;
        let authority = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
        builder.append_extension(alternative)?;
        builder.append_extension(authority)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_private_key(&key)?;
        acceptor.set_certificate(&builder.build())?;
        Ok(acceptor.build())
    }
}

fn elliptic_key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn common_name(text: &str) -> Result<X509Name> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, text)?;
    Ok(name.build())
}
