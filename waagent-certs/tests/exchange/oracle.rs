//! The fetcher as an attacker: he has the platform's answer, alters it as he likes, and looks at what comes of it.

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use waagent_common::documents::CertificateCipher::Aes;
use waagent_fabric::cms::{ContentCipher, Envelope, RecipientName, Wrapping};
use waagent_fabric::pfx::pack;
use waagent_fabric::scenario::PfxKind;

use crate::scratch::{Scratch, identity, said};

fn store() -> Vec<u8> {
    pack(&[&identity("tenant", true)], PfxKind::TripleDes).unwrap()
}

fn seal(scratch: &Scratch, wrapping: Wrapping, plain: &[u8]) -> Vec<u8> {
    let recipient = RecipientName::KeyIdentifier;
    Envelope { wrapping, cipher: ContentCipher::Aes128, recipient }.seal(&scratch.recipient(), plain).unwrap()
}

fn leave(scratch: &Scratch, der: &[u8]) {
    scratch.leave(Aes, &STANDARD.encode(der));
}

/// All that the fetcher, or anybody, sees of a run: exit status, log, and the document without time and
/// the digest of its input.
fn seen(scratch: &Scratch, der: &[u8]) -> (Option<i32>, String, serde_json::Value) {
    leave(scratch, der);
    scratch.forget_failures();
    let start = Instant::now();
    let output = scratch.run(&[]);
    assert!(start.elapsed() >= Duration::from_millis(250), "a failure that can be told by its time");
    let text = fs::read(scratch.root.state_path("certs/certificates.json")).unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&text).unwrap();
    for field in ["written_at", "inputs"] {
        assert!(document.as_object_mut().unwrap().remove(field).is_some());
    }
    (output.status.code(), said(&output), document)
}

fn fails(scratch: &Scratch) -> Vec<u8> {
    let noise: Vec<u8> = (0..64).map(|_| rand()).collect();
    seal(scratch, Wrapping::Oaep, &noise)
}

fn rand() -> u8 {
    let mut byte = [0];
    openssl::rand::rand_bytes(&mut byte).unwrap();
    byte[0]
}

fn failures(scratch: &Scratch) -> u32 {
    let text = fs::read_to_string(scratch.attempts()).unwrap_or_else(|_| "0".to_owned());
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// The run opens nothing, and isn't told what it would have come to.
fn must_wait(scratch: &Scratch) {
    let output = scratch.run(&[]);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(said(&output).contains("too many could not be; tried again in "), "{}", said(&output));
}

/// Vaudenay's attack appends a block of his choice and the one that he wants to know.
#[test]
fn two_blocks_behind_the_platforms_answer_fail_alike_whatever_their_padding() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let mut plain = store();
    let padding = 16 - plain.len() % 16;
    plain.extend(vec![u8::try_from(padding).unwrap(); padding]);
    plain.extend([0x55; 31]);
    let right = seal(&scratch, Wrapping::Oaep, &plain);
    let mut wrong = right.clone();
    let last_of_first = wrong.len() - 17;
    wrong[last_of_first] ^= 0x10;
    let (right, wrong) = (seen(&scratch, &right), seen(&scratch, &wrong));
    assert_eq!(right, wrong);
    assert_eq!(right.0, Some(0));
    assert_eq!(
        right.2["body"]["errors"][0],
        "cannot unseal the certificates of incarnation '1': it could not be unsealed"
    );
}

#[test]
fn each_altered_block_and_wrapped_key_fails_alike() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let store = store();
    let noise = seen(&scratch, &fails(&scratch));
    for wrapping in [Wrapping::Oaep, Wrapping::Pkcs1] {
        let honest = seal(&scratch, wrapping, &store);
        let blocks = store.len() / 16 + 1;
        // Ciphertext, then the initial vector, then the wrapped key with its last and first byte.
        let content = (0..blocks).step_by(blocks.div_ceil(12)).map(|block| 1 + 16 * block);
        let before = [16 * blocks + 5, 16 * blocks + 16, 16 * blocks + 60, 16 * blocks + 400];
        for behind in content.chain([17, 33]).chain(before) {
            let mut altered = honest.clone();
            let at = altered.len() - behind;
            altered[at] ^= 1;
            assert_eq!(seen(&scratch, &altered), noise, "{wrapping:?}, {behind} bytes from the end");
        }
    }
}

#[test]
fn failures_beyond_the_burst_wait_and_the_platforms_answer_within_it_does_not() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let honest = seal(&scratch, Wrapping::Oaep, &store());
    for count in 1..5 {
        leave(&scratch, &fails(&scratch));
        scratch.succeed(&[]);
        scratch.succeed(&[]);
        assert_eq!(failures(&scratch), count, "the same data twice is one failure");
    }
    leave(&scratch, &honest);
    assert!(scratch.succeed(&[]).contains("unsealed 1 certificate"));
    assert_eq!(failures(&scratch), 4, "anybody can seal what succeeds: it forgives nothing");
    leave(&scratch, &fails(&scratch));
    scratch.succeed(&[]);
    leave(&scratch, &honest);
    let before = scratch.snapshot();
    must_wait(&scratch);
    assert!(scratch.snapshot() == before);

    // When the pause is over.
    fs::write(scratch.attempts(), "5 0 -\n").unwrap();
    assert!(scratch.succeed(&[]).contains("unsealed 1 certificate"));
}

#[test]
fn success_leaves_no_count() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    leave(&scratch, &seal(&scratch, Wrapping::Oaep, &store()));
    scratch.succeed(&[]);
    assert!(!scratch.attempts().exists());
}

#[test]
fn after_a_hundred_failures_nothing_is_opened_but_by_force() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let honest = seal(&scratch, Wrapping::Oaep, &store());
    for full in ["99 0 -\n", "no number\n"] {
        fs::write(scratch.attempts(), full).unwrap();
        leave(&scratch, &fails(&scratch));
        scratch.succeed(&[]);
        leave(&scratch, &honest);
        let said = scratch.succeed(&[]);
        assert!(
            said.contains("error: cannot") && said.contains("'rm /run/waagent/certs/attempts'"),
            "{said}"
        );
        let body = scratch.certificates().body;
        assert_eq!((body.certificates.len(), body.errors.len(), body.needs), (0, 1, None));
        assert!(scratch.succeed(&["--force"]).contains("unsealed 1 certificate"));
        assert!(!scratch.attempts().exists());
    }
}

#[test]
fn a_run_that_is_killed_has_had_its_attempt() {
    let scratch = Scratch::new();
    scratch.succeed(&[]);
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    watch.add_watch(scratch.attempts().parent().unwrap(), AddWatchFlags::IN_MOVED_TO).unwrap();
    for count in 1..=5 {
        leave(&scratch, &fails(&scratch));
        let mut child = scratch.command(&[]).stderr(std::process::Stdio::null()).spawn().unwrap();
        while !watch
            .read_events()
            .unwrap()
            .iter()
            .any(|event| event.name.as_deref() == Some("attempts".as_ref()))
        {}
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(failures(&scratch), count);
    }
    leave(&scratch, &seal(&scratch, Wrapping::Oaep, &store()));
    must_wait(&scratch);
}
