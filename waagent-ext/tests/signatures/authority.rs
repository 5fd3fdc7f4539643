//! Publishers, packages and time stamps of a test.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use openssl::base64::encode_block;
use openssl::x509::X509;
use tempfile::TempDir;
use waagent_common::sys::cms::Roots;
use waagent_ext::package::signature::Trust;
use waagent_fabric::der::{CONTEXT_0, OCTETS, SEQUENCE, SET, element, object, open, sequence};
use waagent_fabric::signing::{Publisher, Signer};

pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(7.min(bytes.len().try_into().unwrap()))).unwrap();
    file
}

pub fn roots(of: &X509) -> Roots {
    Roots::from_pem(&of.to_pem().unwrap())
}

/// A machine that trusts this publisher, for packages and for time stamps.
pub fn trust(publisher: &Publisher) -> Trust {
    Trust {
        packages: roots(&publisher.root),
        stamps: roots(&publisher.root),
        organisations: Vec::new(),
        needs_stamp: false,
    }
}

pub fn base64(der: &[u8]) -> String {
    encode_block(der)
}

/// A time stamp token over these bytes, made now by openssl-ts(1); `digest` makes its imprint.
pub fn stamp(by: &Signer, bytes: &[u8], digest: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("certificate.pem"), by.certificate.to_pem().unwrap()).unwrap();
    fs::write(at("key.pem"), by.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::write(at("chain.pem"), by.between().to_pem().unwrap()).unwrap();
    fs::write(at("serial"), "01").unwrap();
    fs::write(at("data"), bytes).unwrap();
    fs::write(at("ts.cnf"), CONFIGURATION).unwrap();
    let openssl = |arguments: &str| {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl(&format!("ts -query -data data -{digest} -cert -out query"));
    openssl(
        "ts -reply -config ts.cnf -section tsa -queryfile query -signer certificate.pem -inkey key.pem \
         -chain chain.pem -token_out -out token",
    );
    fs::read(at("token")).unwrap()
}

/// The signature with this token as its time stamp: it goes behind the value, at the end of everything.
pub fn with_stamp(cms: &[u8], token: &[u8]) -> Vec<u8> {
    let attribute = sequence(&[&object("1.2.840.113549.1.9.16.2.14").unwrap(), &element(SET, token)]);
    with_unsigned(cms, &attribute)
}

/// The signature with these unsigned attributes.
pub fn with_unsigned(cms: &[u8], attributes: &[u8]) -> Vec<u8> {
    let (before, signer) = split(cms);
    let signer = element(SEQUENCE, &[signer, element(0xa1, attributes)].concat());
    joined(&before, &element(SET, &signer))
}

/// The value of the one signature.
pub fn value(cms: &[u8]) -> Vec<u8> {
    let (_, mut signer) = split(cms);
    loop {
        let header = signer[0];
        let (content, rest) = open(header, &signer).unwrap();
        if header == OCTETS && rest.is_empty() {
            return content.to_vec();
        }
        signer = rest.to_vec();
    }
}

/// What comes before the signers, and the contents of the one signer.
pub fn split(cms: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (info, _) = open(SEQUENCE, cms).unwrap();
    let (_, rest) = open(0x06, info).unwrap();
    let (data, _) = open(CONTEXT_0, rest).unwrap();
    let (mut data, _) = open(SEQUENCE, data).unwrap();
    let all = data;
    loop {
        let (content, rest) = open(data[0], data).unwrap();
        if rest.is_empty() {
            let (signer, more) = open(SEQUENCE, content).unwrap();
            assert!(more.is_empty());
            return (all[..all.len() - data.len()].to_vec(), signer.to_vec());
        }
        data = rest;
    }
}

/// A ContentInfo of these parts.
pub fn joined(before: &[u8], signers: &[u8]) -> Vec<u8> {
    let data = element(SEQUENCE, &[before, signers].concat());
    sequence(&[&object("1.2.840.113549.1.7.2").unwrap(), &element(CONTEXT_0, &data)])
}

const CONFIGURATION: &str = "
[tsa]
serial = serial
default_policy = 1.2.3.4.1
signer_digest = sha256
digests = sha1, sha256, sha384
accuracy = secs:1
ess_cert_id_chain = no
";
