//! Time stamp tokens in the form of those that come with Microsoft's packages, and what is wrong with each that isn't.

use jiff::{SignedDuration, Timestamp};
use openssl::hash::MessageDigest;
use waagent_ext::package::signature::{Trust, verify};
use waagent_fabric::der::{CONTEXT_1, SEQUENCE, element};
use waagent_fabric::signing::{Kind, Publisher, Signer};
use waagent_fabric::stamp::{Token, attribute_certificate, names_v1, names_v2, statement};

use crate::authority::{base64, file, roots, trust, value, with_stamp};

const PACKAGE: &[u8] = b"PK: what a publisher has packed";
const ACCEPTED: &str = "accepted";

/// A signed package, and who may stamp it.
struct Scene {
    publisher: Publisher,
    authority: Signer,
    cms: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let publisher = Publisher::new().unwrap();
        let cms = publisher.signer(Kind::Good).unwrap().sign(PACKAGE).unwrap();
        Self { authority: publisher.signer(Kind::Stamps).unwrap(), publisher, cms }
    }

    /// A token as it must be, stamped now.
    fn token(&self) -> Token {
        self.token_at(Timestamp::now())
    }

    fn token_at(&self, at: Timestamp) -> Token {
        Token::new(&value(&self.cms), at, &self.authority).unwrap()
    }

    /// What becomes of the package with this token: `accepted`, or why not.
    fn judge(&self, token: &Token) -> String {
        self.judge_by(token, &self.authority, &trust(&self.publisher))
    }

    fn judge_by(&self, token: &Token, authority: &Signer, trust: &Trust) -> String {
        self.judge_bytes(&token.sign(authority).unwrap(), trust)
    }

    fn judge_bytes(&self, token: &[u8], trust: &Trust) -> String {
        let judged = verify(&file(PACKAGE), &base64(&with_stamp(&self.cms, token)), trust);
        judged.map_or_else(
            |flaw| flaw.fault.text,
            |proof| proof.at.map_or("unchecked", |_| ACCEPTED).to_owned(),
        )
    }

    #[track_caller]
    fn refuses(&self, token: &Token, why: &str) {
        refused(&self.judge(token), why);
    }

    #[track_caller]
    fn accepts(&self, token: &Token) {
        assert_eq!(self.judge(token), ACCEPTED);
    }
}

#[track_caller]
fn refused(verdict: &str, why: &str) {
    assert!(verdict.starts_with("its time stamp is invalid: ") && verdict.contains(why), "{why}: {verdict}");
}

fn der(signer: &Signer) -> Vec<u8> {
    signer.certificate.to_der().unwrap()
}

#[test]
fn takes_tokens_with_an_attribute_certificate_that_is_named_behind_the_authority() {
    let scene = Scene::new();
    let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let signature = with_stamp(&scene.cms, &scene.token_at(at).sign(&scene.authority).unwrap());
    let proof = verify(&file(PACKAGE), &base64(&signature), &trust(&scene.publisher)).unwrap();
    assert_eq!(proof.at, Some(at.as_second()));
    // What comes from the signer in one piece is the same.
    let signer = scene.publisher.signer(Kind::Rsa).unwrap();
    let signature = signer.sign_stamped(PACKAGE, &scene.authority).unwrap();
    assert!(verify(&file(PACKAGE), &base64(&signature), &trust(&scene.publisher)).unwrap().at.is_some());
}

#[test]
fn refuses_an_imprint_of_something_else() {
    let scene = Scene::new();
    let mut token = scene.token();
    let with = |bytes: &[u8], digest| statement(bytes, "20260131080000Z", digest).unwrap();
    let value = value(&scene.cms);
    for (statement, why) in [
        (with(b"another value", MessageDigest::sha256()), "it was made for something else"),
        (with(PACKAGE, MessageDigest::sha384()), "it was made for something else"),
        (with(&value, MessageDigest::sha1()), "its imprint is none of SHA-256"),
    ] {
        token.statement = statement;
        scene.refuses(&token, why);
    }
}

#[test]
fn takes_imprints_of_all_strong_digests() {
    let scene = Scene::new();
    for digest in [MessageDigest::sha256(), MessageDigest::sha384(), MessageDigest::sha512()] {
        let now = Timestamp::now().strftime("%Y%m%d%H%M%SZ").to_string();
        let token =
            Token { statement: statement(&value(&scene.cms), &now, digest).unwrap(), ..scene.token() };
        scene.accepts(&token);
    }
}

#[test]
fn refuses_statements_that_are_malformed() {
    let scene = Scene::new();
    let token = |statement| Token { statement, ..scene.token() };
    let good = scene.token().statement;
    for time in ["", "20260131080000", "2026-01-31T08:00:00Z", "20261331080000Z", "20260131080000.Z"] {
        let statement = statement(&value(&scene.cms), time, MessageDigest::sha256()).unwrap();
        scene.refuses(&token(statement), "what it states is malformed");
    }
    let mut version = good.clone();
    version[4] = 2;
    for bad in [version, [&good[..], &[5, 0]].concat(), good[..good.len() - 1].to_vec(), Vec::new()] {
        scene.refuses(&token(bad), "what it states is malformed");
    }
    scene.accepts(&token(good));
}

#[test]
fn the_first_certificate_that_is_named_is_the_authoritys() {
    let scene = Scene::new();
    let (own, other) = (der(&scene.authority), der(&scene.publisher.signer(Kind::Stamps).unwrap()));
    let token = |names| Token { names, ..scene.token() };
    let (old, new) = (|rows: &[&[u8]]| names_v1(rows).unwrap(), |rows: &[&[u8]]| names_v2(rows).unwrap());
    for names in [
        vec![new(&[&own])],
        vec![new(&[&own, &other, &other])],
        vec![old(&[&own])],
        vec![old(&[&own, &other])],
        vec![old(&[&own]), new(&[&own])],
    ] {
        scene.accepts(&token(names));
    }
    for names in [
        vec![new(&[&other])],
        vec![new(&[&other, &own])],
        vec![old(&[&other, &own])],
        vec![old(&[&other]), new(&[&own])],
        vec![old(&[&own]), new(&[&other])],
        vec![new(&[])],
    ] {
        scene.refuses(&token(names), "it names another certificate than its authority's");
    }
    scene.refuses(&token(Vec::new()), "it doesn't name its authority's certificate");
}

#[test]
fn the_authority_was_valid_when_it_stamped_and_need_not_be_now() {
    let scene = Scene::new();
    let days = |count: i64| Timestamp::now() + SignedDuration::from_hours(24 * count);
    scene.refuses(&scene.token_at(days(4000)), "certificate has expired");
    scene.refuses(&scene.token_at(days(-3)), "certificate is not yet valid");
    let authority = scene.publisher.signer(Kind::PastStamps).unwrap();
    let judge = |hours: i64| {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        let token = Token::new(&value(&scene.cms), at, &authority).unwrap();
        scene.judge_by(&token, &authority, &trust(&scene.publisher))
    };
    assert_eq!(judge(2), ACCEPTED);
    refused(&judge(0), "certificate has expired");
}

#[test]
fn the_authority_is_for_time_stamps_and_nothing_else() {
    let scene = Scene::new();
    for kind in [Kind::Good, Kind::Server, Kind::AnyPurpose, Kind::LooseStamps] {
        let authority = scene.publisher.signer(kind).unwrap();
        let token = Token::new(&value(&scene.cms), Timestamp::now(), &authority).unwrap();
        let verdict = scene.judge_by(&token, &authority, &trust(&scene.publisher));
        refused(&verdict, "isn't for time stamps alone");
    }
}

#[test]
fn the_authoritys_chain_ends_at_a_root_for_time_stamps() {
    let scene = Scene::new();
    let other = Publisher::new().unwrap();
    let elsewhere = Trust { stamps: roots(&other.root), ..trust(&scene.publisher) };
    let nobody = Trust { stamps: waagent_common::sys::cms::Roots::default(), ..trust(&scene.publisher) };
    for trust in [&elsewhere, &nobody] {
        refused(&scene.judge_by(&scene.token(), &scene.authority, trust), "isn't to be trusted");
    }
    // The stranger's own token, for which the packages' root is nothing.
    let stranger = other.signer(Kind::Stamps).unwrap();
    let token = Token::new(&value(&scene.cms), Timestamp::now(), &stranger).unwrap();
    assert_eq!(scene.judge_by(&token, &stranger, &elsewhere), ACCEPTED);
    refused(&scene.judge_by(&token, &stranger, &trust(&scene.publisher)), "isn't to be trusted");
}

#[test]
fn the_signature_is_the_authoritys() {
    let scene = Scene::new();
    let mut stranger = scene.authority.clone();
    stranger.key = scene.publisher.signer(Kind::Stamps).unwrap().key;
    let verdict = scene.judge_by(&scene.token(), &stranger, &trust(&scene.publisher));
    refused(&verdict, "verification failure");
}

#[test]
fn what_is_stamped_is_called_a_statement_inside_and_outside() {
    let scene = Scene::new();
    let data = "1.2.840.113549.1.7.1";
    scene.refuses(&Token { signed_kind: data, ..scene.token() }, "isn't of the type that it signs");
    scene.refuses(&Token { kind: data, ..scene.token() }, "isn't of the type that it signs");
    scene.refuses(&Token { kind: data, signed_kind: data, ..scene.token() }, "it is no token");
}

/// Whatever an attribute certificate holds is passed over; what is neither that nor a certificate isn't.
#[test]
fn attribute_certificates_are_passed_over_and_counted() {
    let scene = Scene::new();
    let with = |others| Token { others, ..scene.token() };
    let nested = (0..3000).fold(Vec::new(), |inside: Vec<u8>, _| element(SEQUENCE, &inside));
    let version_1 = attribute_certificate(&[]).unwrap();
    let version_2 = [&[0xa2], &version_1[1..]].concat();
    for others in [
        vec![],
        vec![version_2],
        vec![attribute_certificate(&nested).unwrap()],
        vec![attribute_certificate(&[0xff; 12_000]).unwrap()],
        vec![element(CONTEXT_1, &[])],
        vec![version_1.clone(); 14],
    ] {
        scene.accepts(&with(others));
    }
    scene.refuses(&with(vec![element(CONTEXT_1, &[]); 15]), "it carries more than 16 certificates");
    let huge = scene.judge(&with(vec![attribute_certificate(&[0; 32_768]).unwrap()]));
    assert!(huge.contains("it is over 32768 bytes"), "{huge}");
    // An obsolete form, a form that nobody has given a meaning yet, and what is cut off or never ends.
    let lengths = [&[0xa1, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0xa1, 0x80, 0x30, 0x00]];
    let forms = [[&[0xa0], &version_1[1..]].concat(), element(0xa3, &[0x06, 1, 0x2a])];
    for other in forms.into_iter().chain(lengths.map(<[u8]>::to_vec)) {
        scene.refuses(&with(vec![other]), "it ");
    }
}

/// Every byte of the token changed in turn: nothing crashes, and what is still taken says the same.
#[test]
fn survives_each_changed_byte_of_a_token() {
    let scene = Scene::new();
    let good = Trust { needs_stamp: true, ..trust(&scene.publisher) };
    let signature = with_stamp(&scene.cms, &scene.token().sign(&scene.authority).unwrap());
    let proof = verify(&file(PACKAGE), &base64(&signature), &good).unwrap();
    for index in scene.cms.len()..signature.len() {
        let mut changed = signature.clone();
        changed[index] ^= 0x41;
        if let Ok(taken) = verify(&file(PACKAGE), &base64(&changed), &good) {
            assert_eq!(taken, proof, "byte {index}");
        }
    }
}
