use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn key(number: u8) -> PublicKey {
    let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32], &[number; 32]].concat();
    PublicKey::parse(&format!("ssh-ed25519 {} k{number}", STANDARD.encode(blob))).unwrap()
}

#[test]
fn adds_what_is_missing_and_nothing_twice() {
    let (one, two) = (key(1), key(2));
    let (first, added) = merged(b"", &[one.clone(), two.clone(), one.clone()]);
    assert_eq!(added, 2);
    assert_eq!(first, format!("{}\n{}\n", one.line(), two.line()).into_bytes());
    assert_eq!(merged(&first, &[two, one]), (first.clone(), 0));
}

#[test]
fn a_commented_key_is_none_and_a_last_line_without_end_gets_one() {
    let one = key(1);
    let old = format!("# {}\nssh-rsa AAAA\r", one.line());
    let (new, added) = merged(old.as_bytes(), std::slice::from_ref(&one));
    assert_eq!(added, 1);
    assert_eq!(new, format!("{old}\n{}\n", one.line()).into_bytes());
}

#[test]
fn bytes_that_are_no_text_stay() {
    let old = b"\xff\xfe\n\0\n";
    assert!(merged(old, &[key(1)]).0.starts_with(old));
}
