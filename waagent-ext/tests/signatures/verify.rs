//! Each rule of a signature with the twin that passes.

use openssl::cms::CMSOptions;
use openssl::hash::MessageDigest;
use waagent_common::fault::Fault;
use waagent_ext::package::signature::{Proof, Trust, verify};
use waagent_fabric::signed_data::SignedData;
use waagent_fabric::signing::{Kind, Publisher, Signer};

use crate::authority::{base64, file, joined, roots, split, stamp, trust, value, with_stamp, with_unsigned};

const PACKAGE: &[u8] = b"PK: what a publisher has packed";

/// A publisher, and a signature of its own over the package by a certificate of this kind.
fn signed(kind: Kind) -> (Publisher, Signer, Vec<u8>) {
    let publisher = Publisher::new().unwrap();
    let signer = publisher.signer(kind).unwrap();
    let signature = signer.sign(PACKAGE).unwrap();
    (publisher, signer, signature)
}

fn judged(signature: &[u8], trust: &Trust) -> Result<Proof, Fault> {
    verify(&file(PACKAGE), &base64(signature), trust).map_err(|flaw| flaw.fault)
}

fn refusal(signature: &[u8], trust: &Trust) -> String {
    judged(signature, trust).unwrap_err().text
}

#[test]
fn takes_what_the_publisher_signed_whatever_the_position_in_the_file() {
    for kind in [Kind::Good, Kind::Rsa] {
        let (publisher, _, signature) = signed(kind);
        let proof = judged(&signature, &trust(&publisher)).unwrap();
        assert!(proof.signer.contains("CN=Orchard Extensions"), "{proof:?}");
        assert!(proof.root.contains("CN=waagent fabric publishers' root"), "{proof:?}");
        assert_eq!(proof.at, None);
    }
}

/// The form of the signatures in `tests/vm/stolen`, and of whoever signs packages of his own with openssl-cms(1).
#[test]
fn takes_what_openssl_signs_too() {
    let (publisher, signer, _) = signed(Kind::Good);
    let signature = signer.sign_with(PACKAGE, CMSOptions::DETACHED).unwrap();
    assert!(judged(&signature, &trust(&publisher)).is_ok());
}

#[test]
fn refuses_a_signature_for_another_type_of_content() {
    let (publisher, signer, _) = signed(Kind::Good);
    let sign = |signed_kind| {
        let data = SignedData {
            kind: "2.123.456.7.8.9",
            signed_kind,
            content: PACKAGE,
            is_attached: false,
            digest: MessageDigest::sha384(),
            attributes: Vec::new(),
            certificates: vec![signer.certificate.to_der().unwrap(), signer.between().to_der().unwrap()],
        };
        data.sign(&signer.certificate, &signer.key, |_| Ok(Vec::new())).unwrap()
    };
    let why = refusal(&sign("1.2.840.113549.1.7.1"), &trust(&publisher));
    assert!(why.contains("its content isn't of the type that it signs"), "{why}");
    assert!(judged(&sign("2.123.456.7.8.9"), &trust(&publisher)).is_ok());
}

#[test]
fn takes_packages_larger_than_any_buffer() {
    let (publisher, signer, _) = signed(Kind::Good);
    let mut bytes = vec![7; 3 << 20];
    let signature = base64(&signer.sign(&bytes).unwrap());
    assert!(verify(&file(&bytes), &signature, &trust(&publisher)).is_ok());
    *bytes.last_mut().unwrap() ^= 1;
    assert!(
        verify(&file(&bytes), &signature, &trust(&publisher)).unwrap_err().fault.text.contains("doesn't fit")
    );
}

#[test]
fn refuses_another_package() {
    let (publisher, signer, signature) = signed(Kind::Good);
    let why =
        verify(&file(b"PK: something else"), &base64(&signature), &trust(&publisher)).unwrap_err().fault.text;
    assert!(why.contains("it doesn't fit the package"), "{why}");
    let longer = [PACKAGE, b"!"].concat();
    assert!(verify(&file(&longer), &base64(&signature), &trust(&publisher)).is_err());
    let other = signer.sign(b"PK: something else").unwrap();
    assert!(refusal(&other, &trust(&publisher)).contains("it doesn't fit the package"));
}

#[test]
fn refuses_a_signature_by_another_authority_of_the_same_name() {
    let (_, _, signature) = signed(Kind::Good);
    let (stranger, _, _) = signed(Kind::Good);
    let why = refusal(&signature, &trust(&stranger));
    assert!(why.contains("isn't to be trusted"), "{why}");
}

#[test]
fn refuses_whoever_is_not_for_signing_code() {
    for kind in [Kind::Server, Kind::AnyPurpose, Kind::Stamps] {
        let (publisher, _, signature) = signed(kind);
        let why = refusal(&signature, &trust(&publisher));
        assert!(why.contains("isn't for signing code"), "{kind:?}: {why}");
    }
}

#[test]
fn refuses_short_keys() {
    let (publisher, _, signature) = signed(Kind::Weak);
    let why = refusal(&signature, &trust(&publisher));
    assert!(why.contains("key too weak") || why.contains("isn't to be trusted"), "{why}");
}

#[test]
fn trusts_nobody_without_roots() {
    let (publisher, _, signature) = signed(Kind::Good);
    let nobody = Trust { packages: waagent_common::sys::cms::Roots::default(), ..trust(&publisher) };
    assert!(refusal(&signature, &nobody).contains("trusts no publisher"));
}

#[test]
fn asks_for_the_organisation_where_the_administrator_does() {
    let (publisher, _, signature) = signed(Kind::Good);
    let ours = |names: &[&str]| Trust {
        organisations: names.iter().map(|name| (*name).to_owned()).collect(),
        ..trust(&publisher)
    };
    assert!(judged(&signature, &ours(&["Other", "Orchard Publishing"])).is_ok());
    let why = refusal(&signature, &ours(&["Orchard"]));
    assert!(why.contains("Extensions.SigningSubjects"), "{why}");
}

#[test]
fn looks_at_validity_at_the_time_of_the_stamp_and_never_at_the_clock() {
    let (publisher, _, good) = signed(Kind::Good);
    let stamps = publisher.signer(Kind::Stamps).unwrap();
    let stamped = |cms: &[u8]| with_stamp(cms, &stamp(&stamps, &value(cms), "sha256"));
    let now = jiff::Timestamp::now().as_second();
    let at = judged(&stamped(&good), &trust(&publisher)).unwrap().at.unwrap();
    assert!((at - now).abs() < 120, "{at} {now}");
    // The signer's year was over when the stamp says that it signed; without a stamp nobody knows.
    let expired = publisher.signer(Kind::Expired).unwrap().sign(PACKAGE).unwrap();
    let why = refusal(&stamped(&expired), &trust(&publisher));
    assert!(why.contains("certificate has expired"), "{why}");
    assert_eq!(judged(&expired, &trust(&publisher)).unwrap().at, None);
    let required = Trust { needs_stamp: true, ..trust(&publisher) };
    assert!(refusal(&expired, &required).contains("Extensions.SignatureTime=required"));
    assert!(judged(&stamped(&good), &required).is_ok());
}

#[test]
fn refuses_time_stamps_that_prove_nothing() {
    let (publisher, signer, cms) = signed(Kind::Good);
    let stamps = publisher.signer(Kind::Stamps).unwrap();
    let good = trust(&publisher);
    let mut cases = vec![
        ("of another signature", with_stamp(&cms, &stamp(&stamps, b"another value", "sha256"))),
        ("with a weak imprint", with_stamp(&cms, &stamp(&stamps, &value(&cms), "sha1"))),
        ("no token", with_stamp(&cms, &[0x30, 0])),
        ("no token but a signature", with_stamp(&cms, &signer.sign(b"x").unwrap())),
    ];
    let token = stamp(&stamps, &value(&cms), "sha256");
    let mut changed = token.clone();
    *changed.last_mut().unwrap() ^= 1;
    cases.push(("changed", with_stamp(&cms, &changed)));
    for (what, signature) in cases {
        let why = refusal(&signature, &good);
        assert!(why.contains("its time stamp is invalid"), "{what}: {why}");
    }
    let (stranger, _, _) = signed(Kind::Good);
    let elsewhere = Trust { stamps: roots(&stranger.root), ..trust(&publisher) };
    assert!(refusal(&with_stamp(&cms, &token), &elsewhere).contains("its time stamp is invalid"));
    assert!(judged(&with_stamp(&cms, &token), &good).is_ok());
}

#[test]
fn refuses_forms_that_no_publisher_sends() {
    let (publisher, signer, cms) = signed(Kind::Good);
    let good = trust(&publisher);
    let (before, one) = split(&cms);
    let two = {
        let signer = waagent_fabric::der::element(0x30, &one);
        joined(&before, &waagent_fabric::der::element(0x31, &[signer.clone(), signer].concat()))
    };
    let none = joined(&before, &[0x31, 0]);
    let attached = signer.sign_with(PACKAGE, CMSOptions::empty()).unwrap();
    let bare = signer.sign_with(PACKAGE, CMSOptions::DETACHED | CMSOptions::NOATTR).unwrap();
    let nameless = signer.sign_with(PACKAGE, CMSOptions::DETACHED | CMSOptions::CMS_NOCERTS).unwrap();
    for (signature, expected) in [
        (two, "more than one signer"),
        (none, "it has no signer"),
        (attached, "a content of its own"),
        (bare, "signs no attributes"),
        (nameless, "doesn't fit"),
        (with_unsigned(&cms, &[empty_stamp(), empty_stamp()].concat()), "more than one time stamp"),
        (b"MII".to_vec(), "it is no CMS"),
        (cms[..cms.len() - 1].to_vec(), "it is no CMS"),
        (vec![0x30, 0x80, 0, 0], "it is no"),
    ] {
        let why = refusal(&signature, &good);
        assert!(why.contains(expected), "{expected}: {why}");
    }
    assert!(verify(&file(PACKAGE), "not base64!", &good).unwrap_err().fault.text.contains("no base64"));
    assert!(
        verify(&file(PACKAGE), &"TUlJ".repeat(9000), &good)
            .unwrap_err()
            .fault
            .text
            .contains("over 32768 bytes")
    );
}

/// An attribute for a time stamp, with a token that holds nothing.
fn empty_stamp() -> Vec<u8> {
    use waagent_fabric::der::{SET, element, object, sequence};
    sequence(&[&object("1.2.840.113549.1.9.16.2.14").unwrap(), &element(SET, &[0x30, 0])])
}

/// Every byte of a signature changed in turn: nothing crashes, and what is still taken has the same signer.
#[test]
fn survives_each_changed_byte() {
    let (publisher, _, cms) = signed(Kind::Good);
    let good = trust(&publisher);
    let proof = judged(&cms, &good).unwrap();
    for index in 0..cms.len() {
        let mut changed = cms.clone();
        changed[index] ^= 0x41;
        if let Ok(taken) = judged(&changed, &good) {
            assert_eq!(taken, proof, "byte {index}");
        }
    }
}
