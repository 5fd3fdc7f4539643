//! What the platform sends, unsealed: real CMS, real PFX, the real program in its sandbox.

use std::fs;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use openssl::pkey::PKey;
use openssl::x509::X509;
use waagent_certs::unseal::await_answer;
use waagent_common::documents::CertificateCipher::{Aes, TripleDes};
use waagent_common::documents::{CertificateState, MacState};
use waagent_fabric::cms::{ContentCipher, Envelope, RecipientName, Wrapping};
use waagent_fabric::identity::Identity;
use waagent_fabric::pfx::pack;
use waagent_fabric::scenario::PfxKind;

use crate::scratch::{Scratch, identity, read};

#[test]
fn opens_what_the_platform_sends_and_a_second_run_changes_nothing() {
    for (cipher, kind) in [(Aes, PfxKind::TripleDes), (Aes, PfxKind::Aes256), (TripleDes, PfxKind::TripleDes)]
    {
        let scratch = Scratch::new();
        scratch.succeed(&[]);
        let (first, second, bare) =
            (identity("tenant", true), identity("vault", true), identity("crp", false));
        scratch.send(cipher, &pack(&[&first, &second, &bare], kind).unwrap());
        let said = scratch.succeed(&[]);
        assert!(said.contains("unsealed 3 certificates, 2 with key"), "{said}");

        let document = scratch.certificates();
        assert_eq!(document.body.errors, [""; 0]);
        assert_eq!((document.body.mac, document.body.needs), (MacState::Verified, None));
        assert_eq!(document.body.certificates.len(), 3);
        for (row, identity) in document.body.certificates.iter().zip([&first, &second, &bare]) {
            assert_eq!(row.thumbprint.as_str(), identity.thumbprint().unwrap());
            assert_eq!(row.friendly_name.as_deref(), Some(identity.name.as_str()));
            assert_eq!(row.subject, format!("CN={}", identity.name));
            assert_eq!((row.key_type.as_str(), row.state), ("rsa-2048", CertificateState::Installed));
            assert_eq!(row.has_private_key, identity.send_key);
            is_installed(&scratch, identity);
        }
        let before = scratch.snapshot();
        assert!(scratch.succeed(&[]).contains("nothing to do"));
        assert!(scratch.succeed(&["--force"]).contains("nothing to do"));
        assert!(scratch.snapshot() == before, "{cipher}: a second run changed something");
    }
}

#[test]
fn the_answer_to_a_new_pair_is_waited_for_and_no_other() {
    let scratch = Scratch::new();
    let is_answered = || await_answer(&scratch.root, Duration::ZERO);
    assert!(!is_answered());
    scratch.succeed(&[]);
    assert!(!is_answered());
    let sealed = pack(&[&identity("tenant", true)], PfxKind::Aes256).unwrap();
    scratch.send(Aes, &sealed);
    assert!(is_answered());
    let (root, transport) = (scratch.root.clone(), scratch.root.state_path("certs/transport.json"));
    fs::remove_file(transport).unwrap();
    scratch.succeed(&[]);
    assert!(!is_answered(), "that was the answer to the old pair");
    let waiting = std::thread::spawn(move || await_answer(&root, Duration::from_secs(600)));
    scratch.send(Aes, &sealed);
    assert!(waiting.join().unwrap());
}

/// Files of the right mode and content, named by thumbprint.
fn is_installed(scratch: &Scratch, identity: &Identity) {
    let thumbprint = identity.thumbprint().unwrap();
    let certificate = X509::from_pem(&read(&scratch.certs().join(format!("{thumbprint}.crt")))).unwrap();
    assert_eq!(certificate.to_der().unwrap(), identity.certificate.to_der().unwrap());
    assert_eq!(scratch.mode(&format!("{thumbprint}.crt")), 0o444);
    let key = scratch.certs().join(format!("{thumbprint}.prv"));
    assert_eq!(key.exists(), identity.send_key);
    if identity.send_key {
        let pem = read(&key);
        assert!(pem.starts_with(b"-----BEGIN PRIVATE KEY-----"));
        assert!(PKey::private_key_from_pem(&pem).unwrap().public_eq(&identity.key));
        assert_eq!(scratch.mode(&format!("{thumbprint}.prv")), 0o400);
    }
}

#[test]
fn takes_every_cipher_and_key_wrapping_of_the_contract() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let certificate = identity("a", true);
    for cipher in [ContentCipher::Aes128, ContentCipher::Aes256, ContentCipher::TripleDes] {
        for wrapping in [Wrapping::Oaep, Wrapping::Pkcs1] {
            let envelope = Envelope { wrapping, cipher, recipient: RecipientName::KeyIdentifier };
            let store = pack(&[&certificate], PfxKind::Aes256).unwrap();
            let sealed = envelope.seal(&scratch.recipient(), &store).unwrap();
            scratch.leave(Aes, &openssl::base64::encode_block(&sealed));
            scratch.succeed(&[]);
            assert_eq!(scratch.certificates().body.errors, [""; 0], "{cipher:?} {wrapping:?}");
            assert_eq!(scratch.certificates().body.certificates.len(), 1, "{cipher:?} {wrapping:?}");
        }
    }
}

#[test]
fn writes_a_vanished_file_again_from_the_sealed_document() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let certificate = identity("a", true);
    scratch.send(Aes, &pack(&[&certificate], PfxKind::TripleDes).unwrap());
    scratch.succeed(&[]);
    let document = scratch.certificates().digest;
    for end in ["prv", "crt"] {
        fs::remove_file(scratch.certs().join(format!("{}.{end}", certificate.thumbprint().unwrap())))
            .unwrap();
        assert!(scratch.succeed(&[]).contains("unsealed 1 certificate, 1 with key"));
        is_installed(&scratch, &certificate);
    }
    assert_eq!(scratch.certificates().digest, document);
}

#[test]
fn two_certificates_of_one_key_both_get_it() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let first = identity("a", true);
    let mut second = Identity { name: "b".to_owned(), ..first.clone() };
    let mut builder = X509::builder().unwrap();
    builder.set_pubkey(&first.key).unwrap();
    builder.set_subject_name(first.certificate.subject_name()).unwrap();
    builder.set_not_before(first.certificate.not_before()).unwrap();
    builder.set_not_after(first.certificate.not_after()).unwrap();
    builder.sign(&first.key, openssl::hash::MessageDigest::sha256()).unwrap();
    second.certificate = builder.build();
    second.send_key = false;
    // The second comes without a key of its own, and is of the same one.
    scratch.send(Aes, &pack(&[&first, &second], PfxKind::TripleDes).unwrap());
    scratch.succeed(&[]);
    second.send_key = true;
    is_installed(&scratch, &first);
    is_installed(&scratch, &second);
}

#[test]
fn an_answer_without_data_or_of_another_format_is_no_certificates_and_no_error() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    scratch.leave(Aes, "AAAA");
    let mut body =
        waagent_common::documents::Document::<waagent_common::documents::SealedCertificates>::read(
            &scratch.root,
        )
        .unwrap()
        .body;
    body.data_base64 = None;
    scratch.leave_body(&body);
    scratch.succeed(&[]);
    assert_eq!(
        (scratch.certificates().body.errors.len(), scratch.certificates().body.mac),
        (0, MacState::None)
    );
    body.data_base64 = Some("AAAA".to_owned());
    body.format = Some("CertificatesNonPfxPackage".to_owned());
    scratch.leave_body(&body);
    let said = scratch.succeed(&[]);
    assert!(said.contains("'CertificatesNonPfxPackage'"), "{said}");
    assert_eq!(scratch.certificates().body.errors.len(), 0);
}

#[test]
fn an_expired_certificate_is_installed_and_said_to_be_expired() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let mut expired = identity("old", true);
    let mut builder = X509::builder().unwrap();
    builder.set_pubkey(&expired.key).unwrap();
    let time = |seconds| openssl::asn1::Asn1Time::from_unix(seconds).unwrap();
    builder.set_not_before(&time(1_000_000_000)).unwrap();
    builder.set_not_after(&time(1_600_000_000)).unwrap();
    builder.sign(&expired.key, openssl::hash::MessageDigest::sha256()).unwrap();
    expired.certificate = builder.build();
    scratch.send(Aes, &pack(&[&expired], PfxKind::TripleDes).unwrap());
    scratch.succeed(&[]);
    let row = scratch.certificates().body.certificates.remove(0);
    assert_eq!((row.state, row.not_after.as_str()), (CertificateState::Expired, "2020-09-13T12:26:40Z"));
    is_installed(&scratch, &expired);
    assert!(scratch.succeed(&[]).contains("nothing to do"));
}

#[test]
fn plan_says_what_would_be_done_and_changes_nothing() {
    let scratch = Scratch::new();
    let said = scratch.succeed(&["--plan"]);
    assert!(said.contains("would make transport pair 1: there is none"), "{said}");
    assert!(scratch.snapshot().is_empty());
    scratch.succeed(&[]);
    let certificate = identity("a", true);
    scratch.send(Aes, &pack(&[&certificate], PfxKind::TripleDes).unwrap());
    let before = scratch.snapshot();
    let said = scratch.succeed(&["--plan"]);
    assert!(said.contains("would keep transport pair 1"), "{said}");
    assert!(
        said.contains(&format!("would install {} with key", certificate.thumbprint().unwrap())),
        "{said}"
    );
    assert!(scratch.snapshot() == before);
}

#[test]
fn no_private_key_is_in_a_document_or_a_log() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let certificate = identity("a", true);
    scratch.send(Aes, &pack(&[&certificate], PfxKind::TripleDes).unwrap());
    let said = scratch.succeed(&[]);
    let secret = openssl::base64::encode_block(&certificate.key.private_key_to_pkcs8().unwrap());
    let needle = &secret[200..240];
    for (name, (_, _, bytes)) in scratch.snapshot() {
        let text = String::from_utf8_lossy(&bytes).replace('\n', "");
        assert_eq!(text.contains(needle), name.ends_with("prv"), "{name}");
    }
    assert!(!said.contains(needle));
}

/// systemd drops a change that comes while the unit runs, so the program itself must see it.
#[test]
fn an_answer_that_comes_while_it_runs_is_unsealed_before_it_ends() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let (slow, late) = (identity("slow", true), identity("late", true));
    scratch.send(Aes, &pack(&[&late], PfxKind::TripleDes).unwrap());
    let (path, aside) =
        (scratch.root.state_path("fetch/certificates.json"), scratch.root.state_path("fetch/.next"));
    fs::rename(&path, &aside).unwrap();
    // A key that takes its time: the answer is replaced as soon as it has been read.
    scratch.send(Aes, &crate::hostile::bomb(&slow, 900_000, 2000));
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    watch.add_watch(&path, AddWatchFlags::IN_CLOSE_NOWRITE).unwrap();
    let child = scratch.command(&[]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    watch.read_events().unwrap();
    fs::rename(&aside, &path).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    is_installed(&scratch, &slow);
    is_installed(&scratch, &late);
    let rows = scratch.certificates().body.certificates;
    assert_eq!(rows.iter().map(|row| row.subject.as_str()).collect::<Vec<_>>(), ["CN=late"]);
}

#[test]
fn killed_at_any_time_a_rerun_reaches_the_same_end() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let identities: Vec<Identity> = (0..4).map(|number| identity(&format!("c{number}"), true)).collect();
    let all: Vec<&Identity> = identities.iter().collect();
    scratch.send(Aes, &pack(&all, PfxKind::TripleDes).unwrap());
    for stop_after in 0..4_usize {
        let mut child = scratch.command(&["--force"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        // Until so many keys are there, or it is through: then the kill comes somewhere after.
        while child.try_wait().unwrap().is_none() && scratch.count("prv") <= stop_after {}
        let _gone_already = child.kill();
        child.wait().unwrap();
        scratch.succeed(&[]);
        assert_eq!(scratch.certificates().body.certificates.len(), 4);
        for identity in &identities {
            is_installed(&scratch, identity);
        }
        assert_eq!(scratch.count("tmp"), 0, "what a killed run left is replaced and renamed by the next");
        for identity in &identities {
            fs::remove_file(scratch.certs().join(format!("{}.prv", identity.thumbprint().unwrap()))).unwrap();
        }
    }
}
