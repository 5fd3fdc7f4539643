//! What a signature must look like before its cryptography is worth a look (RFC 5652 5).

use waagent_common::der::{Der, tag};

/// The parts of signed data with one signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form<'a> {
    /// The signature itself: what a time stamp is for.
    pub value: &'a [u8],
    /// The time stamp that came with it, a ContentInfo.
    pub stamp: Option<&'a [u8]>,
    /// Is the content elsewhere?
    pub is_detached: bool,
}

/// Looks at a ContentInfo in DER.
pub fn look(der: &[u8]) -> Result<Form<'_>, &'static str> {
    let mut data = open(der).ok_or("it is no signed data")?;
    let is_detached = skip_to_certificates(&mut data).ok_or("it is no signed data")?;
    if let Some(mut certificates) = data.open(tag::CONTEXT_0) {
        let mut count = 0;
        while !certificates.is_empty() {
            certificates.whole(tag::SEQUENCE).ok_or("it carries what is no certificate")?;
            count += 1;
        }
        if count > MOST_CERTIFICATES {
            return Err("it carries more than 16 certificates");
        }
    }
    if data.next_tag() == Some(tag::CONTEXT_1) {
        return Err("it carries revocation lists");
    }
    let mut signers = data.open(tag::SET).ok_or("it is no signed data")?;
    let signer = signers.open(tag::SEQUENCE).ok_or("it has no signer")?;
    if !signers.is_empty() {
        return Err("it has more than one signer");
    }
    let (value, stamp) = one(signer)?;
    Ok(Form { value, stamp, is_detached })
}

/// Is this digest (an object identifier) one of the SHA-2 family that nobody can forge?
pub fn is_strong(digest: &[u8]) -> bool {
    digest.strip_prefix(SHA2).is_some_and(|last| matches!(last, [1..=3]))
}

fn open(der: &[u8]) -> Option<Der<'_>> {
    let mut info = Der::new(der).open(tag::SEQUENCE)?;
    if info.take(tag::OBJECT)? != SIGNED_DATA {
        return None;
    }
    info.open(tag::CONTEXT_0)?.open(tag::SEQUENCE)
}

/// Version, digest algorithms, content; says whether the content is elsewhere.
fn skip_to_certificates(data: &mut Der<'_>) -> Option<bool> {
    data.number()?;
    data.take(tag::SET)?;
    let mut content = data.open(tag::SEQUENCE)?;
    content.take(tag::OBJECT)?;
    Some(content.is_empty())
}

/// SignerInfo: the signature's value, and its time stamp.
fn one(mut signer: Der<'_>) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    const FORM: &str = "its signer's part is malformed";
    signer.number().ok_or(FORM)?;
    let by_name = signer.take(tag::SEQUENCE).is_some();
    if !by_name {
        signer.take(tag::CONTEXT_0_PRIMITIVE).ok_or(FORM)?;
    }
    let digest = signer.open(tag::SEQUENCE).and_then(|mut row| row.take(tag::OBJECT)).ok_or(FORM)?;
    if !is_strong(digest) {
        return Err("its digest is none of SHA-256, SHA-384, SHA-512");
    }
    // Without them what was signed once could be taken for signed attributes, and the reverse.
    signer.take(tag::CONTEXT_0).ok_or("it signs no attributes")?;
    let algorithm = signer.open(tag::SEQUENCE).and_then(|mut row| row.take(tag::OBJECT)).ok_or(FORM)?;
    let is_rsa = algorithm.strip_prefix(PKCS1).is_some_and(|last| matches!(last, [1 | 11..=13]));
    let is_ecdsa = algorithm.strip_prefix(ECDSA).is_some_and(|last| matches!(last, [2..=4]));
    if !is_rsa && !is_ecdsa {
        return Err("its algorithm is neither RSA (PKCS#1 v1.5) nor ECDSA with SHA-2");
    }
    let value = signer.take(tag::OCTETS).ok_or(FORM)?;
    let attributes = signer.open(tag::CONTEXT_1);
    Ok((value, attributes.map(stamp).transpose()?.flatten()))
}

fn stamp(mut attributes: Der<'_>) -> Result<Option<&[u8]>, &'static str> {
    const FORM: &str = "its unsigned attributes are malformed";
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.open(tag::SEQUENCE).ok_or(FORM)?;
        let name = attribute.take(tag::OBJECT).ok_or(FORM)?;
        let mut values = attribute.open(tag::SET).ok_or(FORM)?;
        if name == TIME_STAMP {
            let token = values.whole(tag::SEQUENCE).ok_or(FORM)?;
            if found.replace(token).is_some() || !values.is_empty() {
                return Err("it has more than one time stamp");
            }
        }
    }
    Ok(found)
}

/// TSTInfo (RFC 3161 2.4.2): is its imprint made by a digest that nobody can forge?
pub fn has_strong_imprint(info: &[u8]) -> bool {
    let digest = || {
        let mut info = Der::new(info).open(tag::SEQUENCE)?;
        info.number()?;
        info.take(tag::OBJECT)?;
        info.open(tag::SEQUENCE)?.open(tag::SEQUENCE)?.take(tag::OBJECT)
    };
    digest().is_some_and(is_strong)
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
            assert_eq!(look(bad), Err("it is no signed data"), "{bad:?}");
        }
    }

    #[test]
    fn knows_strong_digests() {
        assert!(is_strong(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2]));
        for weak in [&[0x2b, 0x0e, 3, 2, 0x1a][..], &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 4], &[]]
        {
            assert!(!is_strong(weak), "{weak:?}");
        }
    }
}
