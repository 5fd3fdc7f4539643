//! Hostile sealed data: each gives an error that says what is wrong, exit 0 (the machine goes on), and loses nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use waagent_certs::envelope::{Envelope, Refusal};
use waagent_certs::transport_pair::Pair;
use waagent_common::documents::CertificateCipher::{self, Aes, TripleDes};
use waagent_common::documents::CertificateState;
use waagent_fabric::cms::{self, ContentCipher, RecipientName, Wrapping};
use waagent_fabric::der::{CONTEXT_0, OCTETS, SEQUENCE, element, object, sequence, small_integer};
use waagent_fabric::identity::Identity;
use waagent_fabric::pfx::{pack, wrap};
use waagent_fabric::scenario::PfxKind;

use crate::scratch::{Scratch, identity, said};

/// A scratch root where a good certificate is installed already.
fn installed() -> (Scratch, Identity) {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let good = identity("good", true);
    scratch.send(Aes, &pack(&[&good], PfxKind::TripleDes).unwrap());
    scratch.succeed(&[]);
    (scratch, good)
}

/// The run ends with 0, the document has one error with this text, and the good files are still there.
fn is_refused(scratch: &Scratch, good: &Identity, part: &str, needs: Option<CertificateCipher>) {
    scratch.forget_failures();
    let start = Instant::now();
    scratch.succeed(&[]);
    assert!(start.elapsed() < Duration::from_secs(20), "took too long: {part}");
    let body = scratch.certificates().body;
    assert_eq!(body.errors.len(), 1, "{:?}", body.errors);
    assert!(body.errors[0].contains(part), "'{part}' isn't in '{}'", body.errors[0]);
    assert_eq!(body.needs, needs, "{part}");
    assert_eq!(body.certificates.len(), 0);
    for end in ["crt", "prv"] {
        assert!(scratch.certs().join(format!("{}.{end}", good.thumbprint().unwrap())).exists());
    }
    assert!(scratch.succeed(&[]).contains("nothing to do"), "{part}: the second run changed something");
}

#[test]
fn envelopes_that_are_damaged_foreign_or_of_another_form_are_refused() {
    let (scratch, good) = installed();
    let store = pack(&[&good], PfxKind::TripleDes).unwrap();
    let envelope = cms::Envelope::for_transport("AES128_CBC").unwrap();
    let sealed = envelope.seal(&scratch.recipient(), &store).unwrap();
    let again = Some(TripleDes);

    scratch.leave(Aes, &openssl::base64::encode_block(&sealed[..sealed.len() / 2]));
    is_refused(&scratch, &good, "it is no CMS", again);
    scratch.leave(Aes, "not base64 at all!");
    is_refused(&scratch, &good, "body.data_base64 is no base64", again);
    scratch.leave(Aes, &openssl::base64::encode_block(&[0x5a; 4096]));
    is_refused(&scratch, &good, "it is no CMS", again);
    scratch.leave(TripleDes, &openssl::base64::encode_block(&[0x5a; 4096]));
    is_refused(&scratch, &good, "it is no CMS", None);

    let stranger = envelope.seal(&good.certificate, &store).unwrap();
    scratch.leave(Aes, &openssl::base64::encode_block(&stranger));
    is_refused(&scratch, &good, "it is sealed to another transport key", None);

    let mut flipped = sealed.clone();
    let last = flipped.len() - 20;
    flipped[last] ^= 1;
    scratch.leave(Aes, &openssl::base64::encode_block(&flipped));
    is_refused(&scratch, &good, "it could not be unsealed", again);

    let by_name = cms::Envelope {
        wrapping: Wrapping::Pkcs1,
        cipher: ContentCipher::Aes128,
        recipient: RecipientName::IssuerAndSerial,
    };
    let sealed = by_name.seal(&scratch.recipient(), &store).unwrap();
    scratch.leave(Aes, &openssl::base64::encode_block(&sealed));
    is_refused(&scratch, &good, "no enveloped data for one recipient by key identifier", again);
}

#[test]
fn stores_that_are_damaged_or_would_exhaust_the_machine_are_refused() {
    let (scratch, good) = installed();
    let send = |store: &[u8]| scratch.send(TripleDes, store);
    let store = pack(&[&good], PfxKind::TripleDes).unwrap();

    let mut wrong = store.clone();
    let at = wrong.len() - 30;
    wrong[at] ^= 1;
    // SEQUENCE with two bytes of length, then INTEGER 3.
    let mut other_version = store.clone();
    other_version[6] = 4;
    // SHA-1's NULL; then the digest, 8 bytes of salt, and the iterations.
    let mut parameters = store.clone();
    let at = parameters.len() - 38;
    assert_eq!(std::mem::replace(&mut parameters[at], 4), 5);
    let bag = certificate_bag(&good);
    for store in [
        &store[..store.len() - 40],
        b"not a store",
        &wrong,
        &other_version,
        &parameters,
        &[store.as_slice(), b"behind it"].concat(),
        &bomb(&good, 2000, 20_001),
        &bomb(&good, 1_000_001, 2000),
        &nested(&good, 6),
        &plain(&bag.repeat(65)),
        &without_mac(&bag),
        &without_contents(),
    ] {
        send(store);
        is_refused(&scratch, &good, "it could not be unsealed", None);
    }
}

#[test]
fn the_twins_within_the_limits_are_opened() {
    let (scratch, good) = installed();
    for store in [nested(&good, 4), plain(&certificate_bag(&good).repeat(64)), bomb(&good, 100_000, 20_000)] {
        scratch.send(TripleDes, &store);
        scratch.succeed(&[]);
        assert_eq!(scratch.certificates().body.errors, [""; 0]);
        assert_eq!(scratch.certificates().body.certificates.len(), 1);
    }
}

#[test]
fn one_bad_bag_does_not_spoil_the_others() {
    let (scratch, good) = installed();
    let broken = bag(
        CERTIFICATE_BAG,
        &sequence(&[&object(X509).unwrap(), &element(CONTEXT_0, &element(OCTETS, b"x"))]),
    );
    scratch.send(TripleDes, &plain(&[broken, certificate_bag(&good)].concat()));
    scratch.succeed(&[]);
    let body = scratch.certificates().body;
    assert_eq!((body.certificates.len(), body.errors.len()), (1, 1), "{:?}", body.errors);
    assert!(body.errors[0].starts_with("bag 1: "), "{:?}", body.errors);
}

#[test]
fn a_key_without_certificate_is_left_out_and_said() {
    let (scratch, good) = installed();
    let lonely = identity("lonely", true);
    let key = bag(KEY_BAG, &lonely.key.private_key_to_pkcs8().unwrap());
    scratch.send(TripleDes, &plain(&[key, certificate_bag(&good)].concat()));
    scratch.succeed(&[]);
    let body = scratch.certificates().body;
    assert_eq!(body.errors, ["a private key (rsa-2048) has no certificate, left out"]);
    assert_eq!(body.certificates.len(), 1);
    assert!(!body.certificates[0].has_private_key, "its own key wasn't in this store");
}

/// By openssl(1): the MAC that this program computes is compared with what libcrypto made.
#[test]
fn a_store_is_opened_under_the_mac_of_each_digest() {
    let (scratch, good) = installed();
    for digest in ["sha1", "sha256", "sha384", "sha512"] {
        let store = by_openssl(&scratch, &good, &["-macalg", digest]);
        scratch.send(TripleDes, &store);
        scratch.succeed(&[]);
        let body = scratch.certificates().body;
        assert_eq!((body.errors.as_slice(), body.certificates.len()), ([].as_slice(), 1), "{digest}");
    }
}

/// RC2 is what the default provider lacks here, as a FIPS provider lacks 3DES.
#[test]
fn an_algorithm_that_the_provider_lacks_is_named_with_the_remedy_and_the_run_ends_well() {
    let (scratch, good) = installed();
    let folder = scratch.folder.path();
    let weak = ["-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
    let store = by_openssl(&scratch, &good, &weak);
    scratch.send(TripleDes, &store);
    scratch.succeed(&[]);
    let body = scratch.certificates().body;
    let errors = body.errors.join("\n");
    assert!(errors.contains("unsupported"), "{errors}");
    assert!(errors.contains("additionalCapabilities.enableFips1403Encryption"), "{errors}");
    assert_eq!(body.needs, None);

    // With a provider that has it, loaded from inside the sandbox by the system's configuration, it opens.
    let configuration = folder.join("etc/ssl/openssl.cnf");
    std::fs::write(&configuration, LEGACY).unwrap();
    let output = scratch.command(&[]).env("OPENSSL_CONF", &configuration).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(scratch.certificates().body.errors, [""; 0]);
    assert_eq!(scratch.certificates().body.certificates.len(), 1);
}

#[test]
fn in_fips_mode_an_envelope_of_3des_is_refused_and_one_of_aes_is_opened() {
    let pair = [Pair::make(jiff::Timestamp::now()).unwrap()];
    let seal = |cipher| {
        let recipient = RecipientName::KeyIdentifier;
        let envelope = cms::Envelope { wrapping: Wrapping::Oaep, cipher, recipient };
        envelope.seal(&pair[0].certificate, b"plain").unwrap()
    };
    let old = seal(ContentCipher::TripleDes);
    let open = |der: &[u8], is_fips| {
        Envelope::read(der, &pair, is_fips).map(|envelope| envelope.unseal().unwrap().to_vec())
    };
    assert_eq!(open(&old, true), Err(Refusal::NotApproved));
    assert_eq!(open(&old, false).unwrap(), b"plain");
    assert_eq!(open(&seal(ContentCipher::Aes256), true).unwrap(), b"plain");
}

#[test]
fn a_file_that_cannot_be_written_is_a_failed_row_and_exit_73_and_the_others_are_installed() {
    let (scratch, good) = installed();
    let other = identity("other", true);
    // A folder with something in it, in the place of the key: no rename replaces it.
    let blocked = scratch.certs().join(format!("{}.prv", other.thumbprint().unwrap()));
    std::fs::create_dir_all(blocked.join("x")).unwrap();
    scratch.send(Aes, &pack(&[&other, &good], PfxKind::TripleDes).unwrap());
    let output = scratch.run(&[]);
    assert_eq!(output.status.code(), Some(73), "{}", said(&output));
    let body = scratch.certificates().body;
    let states: Vec<CertificateState> = body.certificates.iter().map(|row| row.state).collect();
    assert_eq!(states, [CertificateState::Failed, CertificateState::Installed]);
    assert!(body.errors[0].contains("cannot replace"), "{:?}", body.errors);
    std::fs::remove_dir_all(&blocked).unwrap();
    scratch.succeed(&[]);
    assert_eq!(scratch.certificates().body.errors, [""; 0]);
}

#[test]
fn a_damaged_document_is_refused_and_left_in_place() {
    let (scratch, _good) = installed();
    let before = scratch.snapshot();
    let path = scratch.root.state_path("fetch/certificates.json");
    std::fs::write(&path, "{\"schema\": \"waagent/sealed-certificates/2\"}").unwrap();
    let output = scratch.run(&[]);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert!(said(&output).contains("fetch/certificates.json'"), "{}", said(&output));
    assert!(scratch.snapshot() == before);
    assert!(path.exists());
}

/// A store of one pair as openssl(1) makes it, with these options.
fn by_openssl(scratch: &Scratch, identity: &Identity, options: &[&str]) -> Vec<u8> {
    let folder = scratch.folder.path();
    std::fs::write(folder.join("c.pem"), identity.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(folder.join("k.pem"), identity.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let made = Command::new("openssl")
        .args(["pkcs12", "-export", "-in", "c.pem", "-inkey", "k.pem", "-out", "s.pfx", "-passout", "pass:"])
        .args(options)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    std::fs::read(folder.join("s.pfx")).unwrap()
}

/// A store of one pair with these iterations.
pub fn bomb(identity: &Identity, key: u32, mac: u32) -> Vec<u8> {
    let mut builder = Pkcs12::builder();
    builder.name("bomb").cert(&identity.certificate).pkey(&identity.key);
    builder.key_algorithm(Nid::AES_256_CBC).cert_algorithm(Nid::AES_256_CBC).key_iter(key).mac_iter(mac);
    builder.build2("").unwrap().to_der().unwrap()
}

/// A certificate in so many safes, each in the one before.
fn nested(identity: &Identity, depth: usize) -> Vec<u8> {
    let innermost = certificate_bag(identity);
    let bags = (1..depth).fold(innermost, |inner, _| bag(SAFE_CONTENTS_BAG, &element(SEQUENCE, &inner)));
    plain(&bags)
}

/// These bags in one safe that isn't encrypted, under a right MAC.
fn plain(bags: &[u8]) -> Vec<u8> {
    wrap(&safe(bags), PfxKind::TripleDes).unwrap()
}

fn safe(bags: &[u8]) -> Vec<u8> {
    let contents = element(OCTETS, &element(SEQUENCE, bags));
    sequence(&[&object(DATA).unwrap(), &element(CONTEXT_0, &contents)])
}

fn without_mac(bags: &[u8]) -> Vec<u8> {
    let safes = element(SEQUENCE, &safe(bags));
    let contents = sequence(&[&object(DATA).unwrap(), &element(CONTEXT_0, &element(OCTETS, &safes))]);
    sequence(&[&small_integer(3), &contents])
}

/// CVE-2024-0727: the contents may be absent by the grammar.
fn without_contents() -> Vec<u8> {
    sequence(&[&small_integer(3), &sequence(&[&object(DATA).unwrap()])])
}

fn certificate_bag(identity: &Identity) -> Vec<u8> {
    let der = element(OCTETS, &identity.certificate.to_der().unwrap());
    bag(CERTIFICATE_BAG, &sequence(&[&object(X509).unwrap(), &element(CONTEXT_0, &der)]))
}

fn bag(kind: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[&object(kind).unwrap(), &element(CONTEXT_0, value)])
}

const LEGACY: &str =
    "openssl_conf = init\n[init]\nproviders = list\n[list]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n";
/// id-data
const DATA: &str = "1.2.840.113549.1.7.1";
/// x509Certificate
const X509: &str = "1.2.840.113549.1.9.22.1";
/// RFC 7292, bag types
const KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const SAFE_CONTENTS_BAG: &str = "1.2.840.113549.1.12.10.1.6";
