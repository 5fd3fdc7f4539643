//! CMS SignedData (RFC 5652 5) with one signer, written by hand so that each part can be as publishers and time stamp
//! authorities really send it, or as nobody does.

use anyhow::{Result, ensure};
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;
use openssl::x509::X509;

use crate::der::{
    CONTEXT_0, CONTEXT_1, NULL, OCTETS, SET, element, object, sequence, small_integer, unsigned_integer,
};

/// What is signed, and what goes with it.
#[derive(Clone)]
pub struct SignedData<'a> {
    /// Type of the content, dotted.
    pub kind: &'a str,
    /// What the signed attributes call it.
    pub signed_kind: &'a str,
    /// What is signed.
    pub content: &'a [u8],
    /// Does it go with the signature?
    pub is_attached: bool,
    /// Digest of content and signature.
    pub digest: MessageDigest,
    /// Signed attributes besides the content's type and digest.
    pub attributes: Vec<Vec<u8>>,
    /// CertificateChoices, in this order.
    pub certificates: Vec<Vec<u8>>,
}

impl SignedData<'_> {
    /// Signs it; `unsigned` makes the unsigned attributes from the signature's value. DER of a ContentInfo.
    pub fn sign(
        &self,
        certificate: &X509,
        key: &PKey<Private>,
        unsigned: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let digest = sequence(&[&object(dotted(self.digest)?)?]);
        let mut content = object(self.kind)?;
        if self.is_attached {
            content.extend(element(CONTEXT_0, &element(OCTETS, self.content)));
        }
        let data = sequence(&[
            &small_integer(3),
            &element(SET, &digest),
            &sequence(&[&content]),
            &element(CONTEXT_0, &self.certificates.concat()),
            &element(SET, &self.signer(certificate, key, &digest, unsigned)?),
        ]);
        Ok(sequence(&[&object(SIGNED_DATA)?, &element(CONTEXT_0, &data)]))
    }

    fn signer(
        &self,
        certificate: &X509,
        key: &PKey<Private>,
        digest: &[u8],
        unsigned: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let serial = certificate.serial_number().to_bn()?.to_vec();
        let name = sequence(&[&certificate.issuer_name().to_der()?, &unsigned_integer(&serial)]);
        let attributes = self.signed_attributes()?;
        let mut signer = Signer::new(self.digest, key)?;
        let value = signer.sign_oneshot_to_vec(&element(SET, &attributes))?;
        let algorithm = match key.id() {
            Id::RSA => sequence(&[&object("1.2.840.113549.1.1.1")?, NULL]),
            _ => sequence(&[&object(ecdsa(self.digest)?)?]),
        };
        let unsigned = unsigned(&value)?;
        let unsigned = if unsigned.is_empty() { unsigned } else { element(CONTEXT_1, &unsigned) };
        let (attributes, value) = (element(CONTEXT_0, &attributes), element(OCTETS, &value));
        Ok(sequence(&[&small_integer(1), &name, digest, &attributes, &algorithm, &value, &unsigned]))
    }

    /// In the order of a SET OF (X.690 11.6), since that is what is signed.
    fn signed_attributes(&self) -> Result<Vec<u8>> {
        let digest = hash(self.digest, self.content)?;
        let mut all = self.attributes.clone();
        all.push(attribute("1.2.840.113549.1.9.3", &object(self.signed_kind)?)?);
        all.push(attribute("1.2.840.113549.1.9.4", &element(OCTETS, &digest))?);
        all.sort();
        Ok(all.concat())
    }
}

/// An attribute with one value.
pub fn attribute(name: &str, value: &[u8]) -> Result<Vec<u8>> {
    Ok(sequence(&[&object(name)?, &element(SET, value)]))
}

/// Object identifier of a digest.
pub fn dotted(digest: MessageDigest) -> Result<&'static str> {
    Ok(match digest.type_() {
        Nid::SHA1 => "1.3.14.3.2.26",
        Nid::SHA256 => "2.16.840.1.101.3.4.2.1",
        Nid::SHA384 => "2.16.840.1.101.3.4.2.2",
        other => {
            ensure!(other == Nid::SHA512, "no name for {other:?}");
            "2.16.840.1.101.3.4.2.3"
        }
    })
}

fn ecdsa(digest: MessageDigest) -> Result<&'static str> {
    Ok(match digest.type_() {
        Nid::SHA256 => "1.2.840.10045.4.3.2",
        other => {
            ensure!(other == Nid::SHA384, "no ECDSA with {other:?}");
            "1.2.840.10045.4.3.3"
        }
    })
}

/// id-signedData, RFC 5652 5.1
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
