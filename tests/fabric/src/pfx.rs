//! A PFX (RFC 7292) with as many keys and certificates as wanted and the empty password. OpenSSL writes one key
//! a PFX, so each pair gets its own and their contents are put together under one MAC.

use anyhow::{Context, Result};
use openssl::hash::{Hasher, MessageDigest};
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::der::{
    CONTEXT_0, INTEGER, NULL, OBJECT, OCTETS, SEQUENCE, element, object, open, sequence, small_integer,
};
use crate::identity::Identity;
use crate::scenario::PfxKind;

/// Packs certificates, and the keys of those that are to be sent with one. DER.
pub fn pack(identities: &[&Identity], kind: PfxKind) -> Result<Vec<u8>> {
    let mut safes = Vec::new();
    for identity in identities {
        let single = single(identity, kind).with_context(|| format!("cannot pack '{}'", identity.name))?;
        safes.extend_from_slice(authenticated_safe(&single)?);
    }
    wrap(&safes, kind)
}

/// Puts any safes (ContentInfos, one after the other) under one MAC. DER.
pub fn wrap(safes: &[u8], kind: PfxKind) -> Result<Vec<u8>> {
    let safe = element(SEQUENCE, safes);
    let content = sequence(&[&object(DATA)?, &element(CONTEXT_0, &element(OCTETS, &safe))]);
    Ok(sequence(&[&small_integer(3), &content, &mac_data(&safe, kind)?]))
}

fn single(identity: &Identity, kind: PfxKind) -> Result<Vec<u8>> {
    let algorithm = match kind {
        PfxKind::TripleDes => Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC,
        PfxKind::Aes256 => Nid::AES_256_CBC,
    };
    let mut builder = Pkcs12::builder();
    builder.name(&identity.name).cert(&identity.certificate);
    builder.key_algorithm(algorithm).cert_algorithm(algorithm).key_iter(ITERATIONS).mac_iter(ITERATIONS);
    if identity.send_key {
        builder.pkey(&identity.key);
    }
    Ok(builder.build2("")?.to_der()?)
}

/// The ContentInfos inside one PFX, without the SEQUENCE around them.
fn authenticated_safe(pfx: &[u8]) -> Result<&[u8]> {
    let (pfx, _) = open(SEQUENCE, pfx)?;
    let (_version, rest) = open(INTEGER, pfx)?;
    let (content, _mac) = open(SEQUENCE, rest)?;
    let (_data, rest) = open(OBJECT, content)?;
    let (octets, _) = open(CONTEXT_0, rest)?;
    let (safe, _) = open(OCTETS, octets)?;
    Ok(open(SEQUENCE, safe)?.0)
}

fn mac_data(safe: &[u8], kind: PfxKind) -> Result<Vec<u8>> {
    let (digest, dotted, block) = match kind {
        PfxKind::TripleDes => (MessageDigest::sha1(), "1.3.14.3.2.26", 64),
        PfxKind::Aes256 => (MessageDigest::sha256(), "2.16.840.1.101.3.4.2.1", 64),
    };
    let mut salt = vec![0; 8];
    openssl::rand::rand_bytes(&mut salt)?;
    let key = PKey::hmac(&mac_key(digest, block, &salt)?)?;
    let mut signer = Signer::new(digest, &key)?;
    signer.update(safe)?;
    let algorithm = sequence(&[&object(dotted)?, NULL]);
    let info = sequence(&[&algorithm, &element(OCTETS, &signer.sign_to_vec()?)]);
    let iterations = element(INTEGER, &u16::try_from(ITERATIONS)?.to_be_bytes());
    Ok(sequence(&[&info, &element(OCTETS, &salt), &iterations]))
}

/// RFC 7292 B.2 for a key as long as the digest: one block. The empty password is two zero bytes, repeated.
fn mac_key(digest: MessageDigest, block: usize, salt: &[u8]) -> Result<Vec<u8>> {
    let mut hasher = Hasher::new(digest)?;
    hasher.update(&vec![MAC_MATERIAL; block])?;
    hasher.update(&salt.iter().copied().cycle().take(block).collect::<Vec<_>>())?;
    hasher.update(&vec![0; block])?;
    let mut key = hasher.finish()?.to_vec();
    for _ in 1..ITERATIONS {
        key = openssl::hash::hash(digest, &key)?.to_vec();
    }
    Ok(key)
}

/// id-data
const DATA: &str = "1.2.840.113549.1.7.1";
/// As the platform's own PFX has it.
const ITERATIONS: u32 = 2000;
/// RFC 7292 B.3: the diversifier of MAC keys.
const MAC_MATERIAL: u8 = 3;
