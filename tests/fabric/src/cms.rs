//! CMS EnvelopedData (RFC 5652) as the platform sends it, written by hand so that key wrapping, cipher and the
//! way the recipient is named can each be chosen.

use anyhow::{Context, Result};
use openssl::encrypt::Encrypter;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt};
use openssl::x509::X509Ref;

use crate::der::{
    CONTEXT_0, CONTEXT_0_PRIMITIVE, NULL, OCTETS, SET, element, object, sequence, small_integer,
    unsigned_integer,
};

/// How the content key is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// RSAES-OAEP with its defaults (SHA-1, MGF1 with SHA-1).
    Oaep,
    /// RSA PKCS#1 v1.5.
    Pkcs1,
}

/// Cipher of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCipher {
    /// aes-128-cbc
    Aes128,
    /// aes-256-cbc
    Aes256,
    /// des-ede3-cbc
    TripleDes,
}

/// How the recipient is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientName {
    /// subjectKeyIdentifier: the transport certificate.
    KeyIdentifier,
    /// issuerAndSerialNumber: protected settings.
    IssuerAndSerial,
}

/// The three choices of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// How the content key is wrapped.
    pub wrapping: Wrapping,
    /// Cipher of the content.
    pub cipher: ContentCipher,
    /// How the recipient is named.
    pub recipient: RecipientName,
}

impl Envelope {
    /// What the platform sends for a value of `x-ms-cipher-name`; `None`: a name it doesn't know.
    pub fn for_transport(cipher_name: &str) -> Option<Self> {
        let (wrapping, cipher) = match cipher_name {
            "AES128_CBC" => (Wrapping::Oaep, ContentCipher::Aes128),
            "DES_EDE3_CBC" => (Wrapping::Pkcs1, ContentCipher::TripleDes),
            _ => return None,
        };
        Some(Self { wrapping, cipher, recipient: RecipientName::KeyIdentifier })
    }

    /// What carries protected settings.
    pub const fn for_settings(cipher: ContentCipher) -> Self {
        Self { wrapping: Wrapping::Pkcs1, cipher, recipient: RecipientName::IssuerAndSerial }
    }

    /// Seals `plain` to the holder of `certificate`: DER of a ContentInfo.
    pub fn seal(self, certificate: &X509Ref, plain: &[u8]) -> Result<Vec<u8>> {
        let cipher = self.cipher.openssl();
        let key = random(cipher.key_len())?;
        let iv = random(cipher.iv_len().unwrap_or(16))?;
        let ciphertext = encrypt(cipher, &key, Some(&iv), plain)?;
        let algorithm = sequence(&[&object(self.cipher.dotted())?, &element(OCTETS, &iv)]);
        let content = sequence(&[&object(DATA)?, &algorithm, &element(CONTEXT_0_PRIMITIVE, &ciphertext)]);
        let recipients = element(SET, &self.recipient_info(certificate, &key)?);
        let enveloped = sequence(&[&small_integer(self.version()), &recipients, &content]);
        Ok(sequence(&[&object(ENVELOPED_DATA)?, &element(CONTEXT_0, &enveloped)]))
    }

    fn recipient_info(self, certificate: &X509Ref, key: &[u8]) -> Result<Vec<u8>> {
        let name = match self.recipient {
            RecipientName::KeyIdentifier => {
                let identifier =
                    certificate.subject_key_id().context("certificate has no subjectKeyIdentifier")?;
                element(CONTEXT_0_PRIMITIVE, identifier.as_slice())
            }
            RecipientName::IssuerAndSerial => {
                let serial = certificate.serial_number().to_bn()?.to_vec();
                sequence(&[&certificate.issuer_name().to_der()?, &unsigned_integer(&serial)])
            }
        };
        let (dotted, parameters, padding) = match self.wrapping {
            Wrapping::Oaep => ("1.2.840.113549.1.1.7", sequence(&[]), Padding::PKCS1_OAEP),
            Wrapping::Pkcs1 => ("1.2.840.113549.1.1.1", NULL.to_vec(), Padding::PKCS1),
        };
        let public = certificate.public_key()?;
        let mut encrypter = Encrypter::new(&public)?;
        encrypter.set_rsa_padding(padding)?;
        let mut wrapped = vec![0; encrypter.encrypt_len(key)?];
        let length = encrypter.encrypt(key, &mut wrapped)?;
        wrapped.truncate(length);
        let algorithm = sequence(&[&object(dotted)?, &parameters]);
        Ok(sequence(&[&small_integer(self.version()), &name, &algorithm, &element(OCTETS, &wrapped)]))
    }

    /// RFC 5652 6.1 and 6.2.1: both versions are 2 if the recipient is named by its key identifier, else 0.
    fn version(self) -> u8 {
        match self.recipient {
            RecipientName::KeyIdentifier => 2,
            RecipientName::IssuerAndSerial => 0,
        }
    }
}

impl ContentCipher {
    fn openssl(self) -> Cipher {
        match self {
            Self::Aes128 => Cipher::aes_128_cbc(),
            Self::Aes256 => Cipher::aes_256_cbc(),
            Self::TripleDes => Cipher::des_ede3_cbc(),
        }
    }

    fn dotted(self) -> &'static str {
        match self {
            Self::Aes128 => "2.16.840.1.101.3.4.1.2",
            Self::Aes256 => "2.16.840.1.101.3.4.1.42",
            Self::TripleDes => "1.2.840.113549.3.7",
        }
    }
}

fn random(length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}

/// id-data, RFC 5652 4
const DATA: &str = "1.2.840.113549.1.7.1";
/// id-envelopedData, RFC 5652 6.1
const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
