//! Time stamp tokens (RFC 3161) in the form of those that come with Microsoft's packages: among the certificates is an
//! attribute certificate of version 1, and `signingCertificateV2` names it behind the authority's own.

use anyhow::Result;
use jiff::Timestamp;
use openssl::hash::{MessageDigest, hash};

use crate::der::{CONTEXT_1, NULL, OCTETS, element, object, sequence, small_integer};
use crate::signed_data::{SignedData, attribute, dotted};
use crate::signing::Signer;

/// A token before it is signed; each part may be changed.
#[derive(Clone, Debug)]
pub struct Token {
    /// TSTInfo, DER.
    pub statement: Vec<u8>,
    /// Type of the content, dotted.
    pub kind: &'static str,
    /// Type that the signed attributes name.
    pub signed_kind: &'static str,
    /// Signed attributes that name the authority's certificate.
    pub names: Vec<Vec<u8>>,
    /// What is among the certificates besides the authority's chain: CertificateChoices.
    pub others: Vec<Vec<u8>>,
}

impl Token {
    /// A token that states that the authority saw these bytes at this time.
    pub fn new(bytes: &[u8], at: Timestamp, authority: &Signer) -> Result<Self> {
        let other = attribute_certificate(&[])?;
        let own = authority.certificate.to_der()?;
        Ok(Self {
            statement: statement(
                bytes,
                &at.strftime("%Y%m%d%H%M%S.909Z").to_string(),
                MessageDigest::sha256(),
            )?,
            kind: STATEMENT,
            signed_kind: STATEMENT,
            names: vec![names_v2(&[&own, &other])?],
            others: vec![other],
        })
    }

    /// The token, a ContentInfo, signed by an authority.
    pub fn sign(&self, authority: &Signer) -> Result<Vec<u8>> {
        let chain = [authority.certificate.to_der()?, authority.between().to_der()?];
        let data = SignedData {
            kind: self.kind,
            signed_kind: self.signed_kind,
            content: &self.statement,
            is_attached: true,
            digest: MessageDigest::sha256(),
            attributes: self.names.clone(),
            certificates: chain.into_iter().chain(self.others.iter().cloned()).collect(),
        };
        data.sign(&authority.certificate, &authority.key, |_| Ok(Vec::new()))
    }
}

impl Signer {
    /// A detached signature as `sign` makes it, with a time stamp of now by an authority.
    pub fn sign_stamped(&self, bytes: &[u8], authority: &Self) -> Result<Vec<u8>> {
        self.sign_form(bytes, |value| unsigned(value, authority))
    }
}

/// A token over a signature's value, made now, as its unsigned attribute.
pub fn unsigned(value: &[u8], authority: &Signer) -> Result<Vec<u8>> {
    attribute(TIME_STAMP, &Token::new(value, Timestamp::now(), authority)?.sign(authority)?)
}

/// TSTInfo about these bytes, with a GeneralizedTime; `digest` makes the imprint.
pub fn statement(bytes: &[u8], time: &str, digest: MessageDigest) -> Result<Vec<u8>> {
    let imprint = element(OCTETS, &hash(digest, bytes)?);
    Ok(sequence(&[
        &small_integer(1),
        &object("1.2.3.4.1")?,
        &sequence(&[&sequence(&[&object(dotted(digest)?)?, NULL]), &imprint]),
        &small_integer(7),
        &element(GENERALIZED_TIME, time.as_bytes()),
        // accuracy: a second
        &sequence(&[&small_integer(1)]),
    ]))
}

/// `signingCertificateV2` (RFC 5035 3) with SHA-256 of each, in this order.
pub fn names_v2(certificates: &[&[u8]]) -> Result<Vec<u8>> {
    names("1.2.840.113549.1.9.16.2.47", MessageDigest::sha256(), certificates)
}

/// `signingCertificate` (RFC 2634 5.4), which knows SHA-1 alone.
pub fn names_v1(certificates: &[&[u8]]) -> Result<Vec<u8>> {
    names("1.2.840.113549.1.9.16.2.12", MessageDigest::sha1(), certificates)
}

fn names(attribute_name: &str, digest: MessageDigest, certificates: &[&[u8]]) -> Result<Vec<u8>> {
    let entries: Result<Vec<_>> = certificates
        .iter()
        .map(|certificate| Ok(sequence(&[&element(OCTETS, &hash(digest, certificate)?)])))
        .collect();
    attribute(attribute_name, &sequence(&[&sequence(&[&entries?.concat()])]))
}

/// An attribute certificate of version 1 (RFC 5652 10.2.2: `[1]`) with these attributes and a signature that nobody looks
/// at.
pub fn attribute_certificate(attributes: &[u8]) -> Result<Vec<u8>> {
    let algorithm = sequence(&[&object("1.2.840.113549.1.1.11")?, NULL]);
    let time = |year: &str| element(GENERALIZED_TIME, format!("{year}0101000000Z").as_bytes());
    let info = sequence(&[
        &small_integer(1),
        &algorithm,
        &small_integer(9),
        &sequence(&[&time("2020"), &time("2040")]),
        &sequence(&[attributes]),
    ]);
    let signature = element(BIT_STRING, &[0; 257]);
    Ok(element(CONTEXT_1, &[info, algorithm, signature].concat()))
}

const BIT_STRING: u8 = 0x03;
const GENERALIZED_TIME: u8 = 0x18;
/// id-ct-TSTInfo, RFC 3161 2.4.2
const STATEMENT: &str = "1.2.840.113549.1.9.16.1.4";
/// id-aa-timeStampToken, RFC 3161 appendix A
const TIME_STAMP: &str = "1.2.840.113549.1.9.16.2.14";
