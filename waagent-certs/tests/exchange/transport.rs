//! The transport pair: what it is like, when a new one is made, and what stays of the old one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use openssl::pkey::PKey;
use waagent_common::documents::CertificateCipher::Aes;
use waagent_fabric::cms::Envelope;
use waagent_fabric::pfx::pack;
use waagent_fabric::scenario::PfxKind;

use crate::scratch::{Scratch, identity, read, said};

#[test]
fn makes_the_pair_that_the_platform_demands_once() {
    let scratch = Scratch::new();
    let said = scratch.succeed(&[]);
    assert!(said.contains("made transport pair 1: there is none"), "{said}");
    let certificate = scratch.recipient();
    let key = PKey::private_key_from_pem(&read(&scratch.certs().join("TransportPrivate.pem"))).unwrap();
    assert!(certificate.public_key().unwrap().public_eq(&key));
    assert_eq!((key.bits(), certificate.version()), (3072, 2));
    assert!(certificate.verify(&key).unwrap());
    let text = String::from_utf8(certificate.to_text().unwrap()).unwrap();
    for part in
        ["CN = LinuxTransport", "CA:TRUE", "Subject Key Identifier", "Authority Key Identifier", "sha256With"]
    {
        assert!(text.contains(part) || text.contains(&part.replace(" = ", "=")), "no '{part}' in {text}");
    }
    assert_eq!((scratch.mode("TransportPrivate.pem"), scratch.mode("TransportCert.pem")), (0o400, 0o444));
    assert_eq!(scratch.mode("transport.json"), 0o640);
    let before = scratch.snapshot();
    assert!(scratch.succeed(&[]).contains("nothing to do: transport pair 1 holds"));
    assert!(scratch.snapshot() == before);
}

/// A clone's fetcher may be at work already: the pair that its image has is out of its sight before the new one is made.
#[test]
fn the_pair_of_another_machine_goes_before_the_new_one_is_made() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    fs::write(scratch.folder.path().join("etc/machine-id"), "ffffffffffffffffffffffffffffffff\n").unwrap();
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    watch.add_watch(&scratch.certs(), AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_TO).unwrap();
    scratch.succeed(&[]);
    let events = watch.read_events().unwrap();
    let at = |mask: AddWatchFlags, name: &str| {
        let is =
            |event: &InotifyEvent| event.mask.contains(mask) && event.name.as_deref() == Some(name.as_ref());
        events.iter().position(is).unwrap_or_else(|| panic!("{name}: {events:?}"))
    };
    let gone = at(AddWatchFlags::IN_DELETE, "transport.json");
    let made = at(AddWatchFlags::IN_MOVED_TO, "TransportPrivate-2.pem");
    assert!(gone < made && made < at(AddWatchFlags::IN_MOVED_TO, "transport.json"), "{events:?}");
}

#[test]
fn another_machine_gets_another_pair_and_the_old_key_stays_one_generation() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let certificate = identity("a", true);
    let store = pack(&[&certificate], PfxKind::TripleDes).unwrap();
    let first = scratch.recipient();
    fs::write(scratch.folder.path().join("etc/machine-id"), "ffffffffffffffffffffffffffffffff\n").unwrap();
    let said = scratch.succeed(&[]);
    assert!(said.contains("made transport pair 2: the machine id is another one"), "{said}");
    assert_eq!(scratch.transport().body.generation, 2);
    assert_eq!(scratch.mode("TransportPrivate-2.pem"), 0o400);

    let in_flight = Envelope::for_transport("AES128_CBC").unwrap().seal(&first, &store).unwrap();
    scratch.leave(Aes, &openssl::base64::encode_block(&in_flight));
    scratch.succeed(&[]);
    assert_eq!(scratch.certificates().body.certificates.len(), 1, "sealed to the pair before");

    fs::write(scratch.folder.path().join("etc/machine-id"), "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\n").unwrap();
    scratch.succeed(&[]);
    assert!(!scratch.certs().join("TransportPrivate.pem").exists());
    assert!(scratch.certs().join("TransportPrivate-2.pem").exists());
    assert!(scratch.certs().join("TransportPrivate-3.pem").exists());
}

#[test]
fn a_missing_damaged_foreign_or_open_key_is_replaced() {
    type Spoil = fn(&std::path::Path);
    let spoils: [Spoil; 4] = [
        |key| fs::remove_file(key).unwrap(),
        |key| {
            fs::remove_file(key).unwrap();
            fs::write(key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
            fs::set_permissions(key, fs::Permissions::from_mode(0o400)).unwrap();
        },
        |key| {
            fs::remove_file(key).unwrap();
            fs::write(key, identity("x", true).key.private_key_to_pem_pkcs8().unwrap()).unwrap();
            fs::set_permissions(key, fs::Permissions::from_mode(0o400)).unwrap();
        },
        |key| fs::set_permissions(key, fs::Permissions::from_mode(0o444)).unwrap(),
    ];
    for spoil in spoils {
        let scratch = Scratch::new();
        scratch.succeed(&[]);
        spoil(&scratch.certs().join("TransportPrivate.pem"));
        let said = scratch.succeed(&[]);
        assert!(
            said.contains("made transport pair 2") && said.contains("missing, damaged or open to others"),
            "{said}"
        );
        assert!(scratch.succeed(&[]).contains("nothing to do"));
    }
}

#[test]
fn a_damaged_document_of_its_own_is_made_anew() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    fs::write(scratch.certs().join("transport.json"), "{").unwrap();
    let said = scratch.succeed(&[]);
    assert!(said.contains("transport.json'") && said.contains("made transport pair 2"), "{said}");
}

#[test]
fn a_pair_near_its_end_is_replaced() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let path = scratch.certs().join("transport.json");
    let text = String::from_utf8(read(&path)).unwrap();
    let end = scratch.transport().body.not_after;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 29);
    fs::write(&path, text.replace(&end, &soon.to_string())).unwrap();
    assert!(scratch.succeed(&[]).contains("made transport pair 2: it ends on"));
}

#[test]
fn refuses_a_second_run_at_the_same_time() {
    let scratch = Scratch::new();
    let held = waagent_common::lock::Lock::take(&scratch.root, "certs").unwrap();
    let output = scratch.run(&[]);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(scratch.snapshot().is_empty());
    drop(held);
    scratch.succeed(&[]);
}
