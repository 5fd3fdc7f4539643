//! A publisher of extensions: its certificate authority, and signatures over packages as the platform sends them
//! (detached CMS, RFC 5652).

use std::fs;
use std::path::Path;

use anyhow::Result;
use openssl::asn1::Asn1Time;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Name};

use crate::identity::{certificate_builder, write_private};
use crate::signed_data::SignedData;

/// A root that machines trust to name publishers, and the authority below it.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// What machines trust.
    pub root: X509,
    between: X509,
    key: PKey<Private>,
}

/// Who signs: a certificate below a publisher's authority.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Its certificate.
    pub certificate: X509,
    /// Its key.
    pub key: PKey<Private>,
    between: X509,
}

/// What a signer's certificate is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it must be: for signing code; valid now.
    Good,
    /// The same with an RSA key, as real ones have.
    Rsa,
    /// For TLS servers.
    Server,
    /// For nothing in particular.
    AnyPurpose,
    /// Its year is over.
    Expired,
    /// RSA of 1024 bits.
    Weak,
    /// A time stamp authority's.
    Stamps,
    /// The same, over since an hour ago.
    PastStamps,
    /// For time stamps, but others may read it otherwise: the usage isn't critical.
    LooseStamps,
}

impl Publisher {
    /// The one of the state folder (`signing-root.pem` and its like), made if absent; without a folder a new one.
    pub fn open(state: Option<&Path>) -> Result<Self> {
        let Some(state) = state else { return Self::new() };
        let [root, between, key] = ["signing-root.pem", "signing-authority.pem", "signing-authority.key"]
            .map(|name| state.join(name));
        if root.exists() && between.exists() && key.exists() {
            return Ok(Self {
                root: X509::from_pem(&fs::read(root)?)?,
                between: X509::from_pem(&fs::read(between)?)?,
                key: PKey::private_key_from_pem(&fs::read(key)?)?,
            });
        }
        let publisher = Self::new()?;
        fs::create_dir_all(state)?;
        write_private(&key, &publisher.key.private_key_to_pem_pkcs8()?)?;
        fs::write(between, publisher.between.to_pem()?)?;
        fs::write(root, publisher.root.to_pem()?)?;
        Ok(publisher)
    }

    /// New keys.
    pub fn new() -> Result<Self> {
        let (root_key, key) = (elliptic_key()?, elliptic_key()?);
        let root_name = name("waagent fabric publishers' root", "Orchard Publishing")?;
        let root = authority(&root_name, &root_name, &root_key, &root_key)?;
        let between_name = name("waagent fabric code signing authority", "Orchard Publishing")?;
        let between = authority(&between_name, &root_name, &key, &root_key)?;
        Ok(Self { root, between, key })
    }

    /// A new key with a certificate of this kind.
    pub fn signer(&self, kind: Kind) -> Result<Signer> {
        let key = match kind {
            Kind::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
            Kind::Weak => PKey::from_rsa(Rsa::generate(1024)?)?,
            _ => elliptic_key()?,
        };
        let subject = name("Orchard Extensions", "Orchard Publishing")?;
        let mut builder = certificate_builder(&subject, self.between.subject_name(), &key)?;
        if kind == Kind::Expired {
            let now = jiff::Timestamp::now().as_second();
            builder.set_not_before(&*Asn1Time::from_unix(now - 800 * 86_400)?)?;
            builder.set_not_after(&*Asn1Time::from_unix(now - 400 * 86_400)?)?;
        }
        if kind == Kind::PastStamps {
            builder.set_not_after(&*Asn1Time::from_unix(jiff::Timestamp::now().as_second() - 3600)?)?;
        }
        builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        match kind {
            Kind::Server => builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?,
            Kind::LooseStamps => {
                builder.append_extension(ExtendedKeyUsage::new().time_stamping().build()?)?;
            }
            Kind::Stamps | Kind::PastStamps => {
                builder.append_extension(ExtendedKeyUsage::new().critical().time_stamping().build()?)?;
            }
            Kind::AnyPurpose => {}
            _ => builder.append_extension(ExtendedKeyUsage::new().code_signing().build()?)?,
        }
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Signer { certificate: builder.build(), key, between: self.between.clone() })
    }
}

impl Signer {
    /// A detached signature over these bytes in the form of Microsoft's (no time among the signed attributes, a type of
    /// content that is nobody's): DER.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.sign_form(bytes, |_| Ok(Vec::new()))
    }

    /// The same with unsigned attributes, made from the signature's value.
    pub(crate) fn sign_form(
        &self,
        bytes: &[u8],
        unsigned: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let data = SignedData {
            kind: PACKAGE,
            signed_kind: PACKAGE,
            content: bytes,
            is_attached: false,
            digest: MessageDigest::sha384(),
            attributes: Vec::new(),
            certificates: vec![self.certificate.to_der()?, self.between.to_der()?],
        };
        data.sign(&self.certificate, &self.key, unsigned)
    }

    /// A signature as openssl-cms(1) makes it, with these options.
    pub fn sign_with(&self, bytes: &[u8], options: CMSOptions) -> Result<Vec<u8>> {
        let mut others = Stack::new()?;
        others.push(self.between.clone())?;
        let options = options | CMSOptions::BINARY | CMSOptions::NOSMIMECAP;
        let cms = CmsContentInfo::sign(
            Some(&self.certificate),
            Some(&self.key),
            Some(&others),
            Some(bytes),
            options,
        )?;
        Ok(cms.to_der()?)
    }

    /// The certificates between it and its root.
    pub fn between(&self) -> &X509 {
        &self.between
    }
}

fn authority(subject: &X509Name, issuer: &X509Name, key: &PKey<Private>, by: &PKey<Private>) -> Result<X509> {
    let mut builder = certificate_builder(subject, issuer, key)?;
    builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    builder.sign(by, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn name(common: &str, organisation: &str) -> Result<X509Name> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::ORGANIZATIONNAME, organisation)?;
    name.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(name.build())
}

fn elliptic_key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

/// As in the test data of Azure/WALinuxAgent (`tests/data/signing`).
const PACKAGE: &str = "2.123.456.7.8.9";
