//! What a signature must look like before its cryptography is worth a look (RFC 5652 5).

use waagent_common::der::{Der, tag};
use waagent_common::fault::Fault;
use waagent_common::sys::cms::Digest;

/// The parts of signed data with one signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form<'a> {
    /// The signature itself: what a time stamp is for.
    pub(crate) value: &'a [u8],
    /// The time stamp that came with it, a ContentInfo.
    pub(crate) stamp: Option<&'a [u8]>,
    /// What the content is, an object identifier.
    pub(crate) kind: &'a [u8],
    /// The content, unless it is elsewhere.
    pub(crate) content: Option<&'a [u8]>,
    /// The signed attributes.
    pub(crate) attributes: Der<'a>,
}

/// Looks at a ContentInfo in DER.
pub(crate) fn look(der: &[u8]) -> Result<Form<'_>, Fault> {
    let mut data = open(der).ok_or_else(|| Fault::data("it is no signed data"))?;
    let (kind, content) = take_content(&mut data).ok_or_else(|| Fault::data("it is no signed data"))?;
    if let Some(certificates) = data.open(tag::CONTEXT_0) {
        count(certificates)?;
    }
    if data.next_tag() == Some(tag::CONTEXT_1) {
        return Err(Fault::data("it carries revocation lists"));
    }
    let mut signers = data.open(tag::SET).ok_or_else(|| Fault::data("it is no signed data"))?;
    let signer = signers.open(tag::SEQUENCE).ok_or_else(|| Fault::data("it has no signer"))?;
    if !signers.is_empty() {
        return Err(Fault::data("it has more than one signer"));
    }
    let (attributes, value, unsigned) = one(signer)?;
    let named = attribute(attributes, CONTENT_TYPE, "it signs two content types")?;
    if named.and_then(|mut value| value.take(tag::OBJECT)) != Some(kind) {
        return Err(Fault::data("its content isn't of the type that it signs"));
    }
    let stamp = attribute(unsigned, TIME_STAMP, "it has more than one time stamp")?;
    let stamp = stamp.map(|mut value| value.whole(tag::SEQUENCE).ok_or_else(malformed)).transpose()?;
    Ok(Form { value, stamp, kind, content, attributes })
}

/// Which digest is this (an object identifier), of the SHA-2 family that nobody can forge?
pub(crate) fn strong(digest: &[u8]) -> Option<Digest> {
    match digest.strip_prefix(SHA2)? {
        [1] => Some(Digest::Sha256),
        [2] => Some(Digest::Sha384),
        [3] => Some(Digest::Sha512),
        _ => None,
    }
}

/// The one value of an attribute, if that is there; `several` is said where it is there twice or has more values.
pub(crate) fn attribute<'a>(
    mut attributes: Der<'a>,
    name: &[u8],
    several: &'static str,
) -> Result<Option<Der<'a>>, Fault> {
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.open(tag::SEQUENCE).ok_or_else(malformed)?;
        let is_wanted = attribute.take(tag::OBJECT).ok_or_else(malformed)? == name;
        let values = attribute.open(tag::SET).ok_or_else(malformed)?;
        if is_wanted && (found.replace(values).is_some() || !has_one(values)) {
            return Err(Fault::data(several));
        }
    }
    Ok(found)
}

fn has_one(mut row: Der<'_>) -> bool {
    row.next_tag().is_some_and(|tag| row.take(tag).is_some()) && row.is_empty()
}

fn open(der: &[u8]) -> Option<Der<'_>> {
    let mut info = Der::new(der).open(tag::SEQUENCE)?;
    if info.take(tag::OBJECT)? != SIGNED_DATA {
        return None;
    }
    info.open(tag::CONTEXT_0)?.open(tag::SEQUENCE)
}

/// Version, digest algorithms, content: its type, and itself unless it is elsewhere.
fn take_content<'a>(data: &mut Der<'a>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    data.number()?;
    data.take(tag::SET)?;
    let mut content = data.open(tag::SEQUENCE)?;
    let kind = content.take(tag::OBJECT)?;
    if content.is_empty() {
        return Some((kind, None));
    }
    Some((kind, Some(content.open(tag::CONTEXT_0)?.take(tag::OCTETS)?)))
}

/// Certificates, and attribute certificates of versions 1 and 2 (RFC 5652 10.2.2). These are passed over, whatever they
/// hold: in a version 1 a time stamp authority says how exact its clock is.
fn count(mut certificates: Der<'_>) -> Result<(), Fault> {
    let mut count = 0;
    while !certificates.is_empty() {
        [tag::SEQUENCE, tag::CONTEXT_1, tag::CONTEXT_2]
            .into_iter()
            .find_map(|tag| certificates.take(tag))
            .ok_or_else(|| Fault::data("it carries what is no certificate"))?;
        count += 1;
    }
    if count > MOST_CERTIFICATES { Err(Fault::data("it carries more than 16 certificates")) } else { Ok(()) }
}

/// SignerInfo: signed attributes, the signature's value, unsigned attributes.
fn one(mut signer: Der<'_>) -> Result<(Der<'_>, &[u8], Der<'_>), Fault> {
    let form = || Fault::data("its signer's part is malformed");
    signer.number().ok_or_else(form)?;
    let by_name = signer.take(tag::SEQUENCE).is_some();
    if !by_name {
        signer.take(tag::CONTEXT_0_PRIMITIVE).ok_or_else(form)?;
    }
    let digest = signer.open(tag::SEQUENCE).and_then(|mut row| row.take(tag::OBJECT)).ok_or_else(form)?;
    strong(digest).ok_or_else(|| Fault::data("its digest is none of SHA-256, SHA-384, SHA-512"))?;
    // Without them what was signed once could be taken for signed attributes, and the reverse.
    let attributes = signer.open(tag::CONTEXT_0).ok_or_else(|| Fault::data("it signs no attributes"))?;
    let algorithm = signer.open(tag::SEQUENCE).and_then(|mut row| row.take(tag::OBJECT)).ok_or_else(form)?;
    let is_rsa = algorithm.strip_prefix(PKCS1).is_some_and(|last| matches!(last, [1 | 11..=13]));
    let is_ecdsa = algorithm.strip_prefix(ECDSA).is_some_and(|last| matches!(last, [2..=4]));
    if !is_rsa && !is_ecdsa {
        return Err(Fault::data("its algorithm is neither RSA (PKCS#1 v1.5) nor ECDSA with SHA-2"));
    }
    let value = signer.take(tag::OCTETS).ok_or_else(form)?;
    Ok((attributes, value, signer.open(tag::CONTEXT_1).unwrap_or(Der::new(&[]))))
}

fn malformed() -> Fault {
    Fault::data("its attributes are malformed")
}

const MOST_CERTIFICATES: u32 = 16;
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 2.16.840.1.101.3.4.2: 1 to 3 are SHA-256, SHA-384, SHA-512
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// 1.2.840.113549.1.1: 1 is rsaEncryption, 11 to 13 are RSA with SHA-256, SHA-384, SHA-512
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3: 2 to 4 are ECDSA with SHA-256, SHA-384, SHA-512
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 1.2.840.113549.1.9.3 (RFC 5652 11.1)
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.16.2.14 (RFC 3161 appendix A)
const TIME_STAMP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0e];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_signed_data() {
        for bad in
            [&b""[..], b"0", &[0x30, 0], &[0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3]]
        {
            assert_eq!(look(bad), Err(Fault::data("it is no signed data")), "{bad:?}");
        }
    }

    #[test]
    fn knows_strong_digests() {
        for (last, digest) in [(1, Digest::Sha256), (2, Digest::Sha384), (3, Digest::Sha512)] {
            assert_eq!(strong(&[SHA2, &[last]].concat()), Some(digest));
        }
        for weak in [&[0x2b, 0x0e, 3, 2, 0x1a][..], &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 4], &[]]
        {
            assert_eq!(strong(weak), None, "{weak:?}");
        }
    }
}
