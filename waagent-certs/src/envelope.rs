//! The outer layer: CMS EnvelopedData (RFC 5652), sealed to the transport certificate.

use openssl::cms::CmsContentInfo;
use waagent_common::der::{Der, tag};
use zeroize::Zeroizing;

use crate::transport_pair::Pair;

/// Why an envelope isn't opened. It rests on what anybody can read in it, and so may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Not what the platform sends, for this reason.
    Form(&'static str),
    /// Sealed to a key that this machine doesn't have.
    OtherKey,
    /// 3DES, which the kernel's FIPS mode forbids.
    NotApproved,
}

/// An envelope that may be opened, and the pair that it is sealed to.
pub struct Envelope<'a> {
    cms: CmsContentInfo,
    pair: &'a Pair,
}

impl<'a> Envelope<'a> {
    /// Looks at what isn't encrypted; finds the first of `pairs` that it is sealed to.
    pub fn read(der: &[u8], pairs: &'a [Pair], is_fips: bool) -> Result<Self, Refusal> {
        let cms = CmsContentInfo::from_der(der).map_err(|_| Refusal::Form("it is no CMS"))?;
        // libcrypto takes BER too and writes DER: this looks at what it has understood, not at what was sent.
        let normal = cms.to_der().map_err(|_| Refusal::Form("it is no CMS"))?;
        let facts = facts(&normal)
            .ok_or(Refusal::Form("it is no enveloped data for one recipient by key identifier"))?;
        match facts.cipher {
            TRIPLE_DES if is_fips => return Err(Refusal::NotApproved),
            AES_128 | AES_192 | AES_256 | TRIPLE_DES => {}
            _ => {
                return Err(Refusal::Form(
                    "its cipher is none of aes-128-cbc, aes-192-cbc, aes-256-cbc, des-ede3-cbc",
                ));
            }
        }
        let is_for = |pair: &&Pair| {
            let identifier = pair.certificate.subject_key_id();
            identifier.is_some_and(|identifier| identifier.as_slice() == facts.recipient)
        };
        let pair = pairs.iter().find(is_for).ok_or(Refusal::OtherKey)?;
        Ok(Self { cms, pair })
    }

    /// Decrypts it. None for whatever went wrong; and nobody may be told that it was none here, or that what came out is
    /// noise: which of both it is says whether the padding of a block was right (Vaudenay), or that of the wrapped key
    /// (Bleichenbacher). Of the latter `CMS_decrypt` says nothing either: given the recipient's certificate, it goes on
    /// with a random content key where the wrapped one doesn't open or has another length (RFC 3218 2.3.2;
    /// `crypto/cms/cms_smime.c`, `cms_enc.c` of OpenSSL). Neither is the flag set that would have it told
    /// (`CMS_DEBUG_DECRYPT`).
    pub fn unseal(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.cms.decrypt(&self.pair.key, &self.pair.certificate).ok().map(Zeroizing::new)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form(why) => write!(formatter, "{why}"),
            Self::OtherKey => formatter.write_str(
                "it is sealed to another transport key; waagent-fetch asks again with the one of certs/transport.json",
            ),
            Self::NotApproved => write!(formatter, "it is encrypted by des-ede3-cbc, and this machine is in FIPS mode"),
        }
    }
}

struct Facts<'a> {
    /// subjectKeyIdentifier
    recipient: &'a [u8],
    /// Object identifier
    cipher: &'a [u8],
}

/// Recipient and cipher of an envelope for one recipient (RFC 5652 6.1, 6.2.1).
fn facts(der: &[u8]) -> Option<Facts<'_>> {
    let mut info = Der::new(der).open(tag::SEQUENCE)?;
    if info.take(tag::OBJECT)? != ENVELOPED_DATA {
        return None;
    }
    let mut data = info.open(tag::CONTEXT_0)?.open(tag::SEQUENCE)?;
    data.number()?;
    let mut recipients = data.open(tag::SET)?;
    let mut recipient = recipients.open(tag::SEQUENCE)?;
    if !recipients.is_empty() {
        return None;
    }
    recipient.number()?;
    let identifier = recipient.take(tag::CONTEXT_0_PRIMITIVE)?;
    let mut content = data.open(tag::SEQUENCE)?;
    content.take(tag::OBJECT)?;
    let cipher = content.open(tag::SEQUENCE)?.take(tag::OBJECT)?;
    Some(Facts { recipient: identifier, cipher })
}

/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
/// 2.16.840.1.101.3.4.1.2
const AES_128: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02];
/// 2.16.840.1.101.3.4.1.22
const AES_192: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16];
/// 2.16.840.1.101.3.4.1.42
const AES_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
/// 1.2.840.113549.3.7
const TRIPLE_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07];
