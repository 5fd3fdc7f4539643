use super::*;

/// A string of RFC 4251.
fn s(bytes: &[u8]) -> Vec<u8> {
    string(bytes)
}

fn line(kind: &str, parts: &[&[u8]]) -> String {
    let blob: Vec<u8> = parts.iter().flat_map(|part| s(part)).collect();
    format!("{kind} {} me@here", STANDARD.encode(blob))
}

fn ed25519() -> String {
    line("ssh-ed25519", &[b"ssh-ed25519", &[7; 32]])
}

fn rsa(e: &[u8], bits: usize) -> String {
    let mut n = vec![0; bits / 8 + 1];
    n[1] = 0x80;
    line("ssh-rsa", &[b"ssh-rsa", e, &n])
}

fn point(length: usize) -> Vec<u8> {
    let mut point = vec![1; length];
    point[0] = 4;
    point
}

#[test]
fn takes_every_type_that_sshd_takes() {
    let p256 = point(65);
    for good in [
        ed25519(),
        rsa(&[1, 0, 1], 2048),
        rsa(&[3], 16384),
        line("ecdsa-sha2-nistp256", &[b"ecdsa-sha2-nistp256", b"nistp256", &p256]),
        line("ecdsa-sha2-nistp384", &[b"ecdsa-sha2-nistp384", b"nistp384", &point(97)]),
        line("ecdsa-sha2-nistp521", &[b"ecdsa-sha2-nistp521", b"nistp521", &point(133)]),
        line("sk-ssh-ed25519@openssh.com", &[b"sk-ssh-ed25519@openssh.com", &[7; 32], b"ssh:"]),
        line(
            "sk-ecdsa-sha2-nistp256@openssh.com",
            &[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &p256, b"ssh:"],
        ),
    ] {
        let key = PublicKey::parse(&good).unwrap();
        assert_eq!(key.line(), good);
    }
}

#[test]
fn refuses_keys_that_are_damaged_weak_or_more_than_a_key() {
    let ed = ed25519();
    for (bad, why) in [
        (String::new(), "empty"),
        (format!("no-pty {ed}"), "options"),
        (format!("from=\"x\" {ed}"), "options"),
        (format!("{ed}\nssh-rsa AAAA"), "line break"),
        (format!("{ed}\u{1b}[2J"), "control character"),
        ("ssh-dss AAAA".to_owned(), "DSA"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA".to_owned(), "certificate"),
        ("ssh-ed25519 %%%%".to_owned(), "base64"),
        (ed.replace("ssh-ed25519", "ssh-rsa"), "differ"),
        (line("ssh-ed25519", &[b"ssh-ed25519", &[7; 31]]), "32 bytes"),
        (line("ssh-ed25519", &[b"ssh-ed25519", &[7; 32], b"x"]), "after its end"),
        (rsa(&[1, 0, 1], 1024), "RSA of 1024 bits"),
        (rsa(&[1, 0, 1], 16392), "RSA of 16392 bits"),
        (rsa(&[1], 2048), "exponent"),
        (rsa(&[4], 2048), "exponent"),
        (rsa(&[0x80, 1], 2048), "malformed"),
        (line("ecdsa-sha2-nistp256", &[b"ecdsa-sha2-nistp256", b"nistp384", &point(97)]), "curve"),
        (line("ecdsa-sha2-nistp256", &[b"ecdsa-sha2-nistp256", b"nistp256", &point(97)]), "point"),
        (format!("ssh-ed25519 {}", STANDARD.encode([0, 0, 0, 11, b's'])), "cut short"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA".to_owned(), "PEM"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA".to_owned(), "end line"),
        (format!("ssh-rsa {}", "A".repeat(30_000)), "16384"),
    ] {
        let said = PublicKey::parse(&bad).unwrap_err().to_string();
        assert!(said.contains(why), "{said}, not {why}");
    }
}

#[test]
fn converts_rfc_4716_and_joins_lines_that_a_portal_broke() {
    let ed = ed25519();
    let base64 = ed.split(' ').nth(1).unwrap();
    let (head, tail) = base64.split_at(40);
    let rfc = format!(
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"a \\\nlong one\"\n{head}\n{tail}\n---- END SSH2 PUBLIC KEY ----"
    );
    assert_eq!(PublicKey::parse(&rfc).unwrap().base64(), base64);
    let broken = format!("ssh-ed25519 {head}\r\n{tail} me\r\n");
    assert_eq!(PublicKey::parse(&broken).unwrap().base64(), base64);
}

#[test]
fn a_comment_that_is_too_long_is_dropped() {
    let key = PublicKey::parse(&format!("{} {}", ed25519(), "x".repeat(300))).unwrap();
    assert!(!key.line().contains("xxx"));
}

#[test]
fn keys_of_certificates_become_the_lines_that_ssh_keygen_makes() {
    use openssl::ec::{EcGroup, EcKey};
    for (curve, kind) in [
        (Nid::X9_62_PRIME256V1, "ecdsa-sha2-nistp256"),
        (Nid::SECP384R1, "ecdsa-sha2-nistp384"),
        (Nid::SECP521R1, "ecdsa-sha2-nistp521"),
    ] {
        let key = EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap();
        check_with_ssh_keygen(&PKey::from_ec_key(key).unwrap().public_key_to_pem().unwrap(), kind);
    }
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
    check_with_ssh_keygen(&PKey::from_rsa(rsa).unwrap().public_key_to_pem().unwrap(), "ssh-rsa");
    let secp256k1 = EcKey::generate(&EcGroup::from_curve_name(Nid::SECP256K1).unwrap()).unwrap();
    let pem = PKey::from_ec_key(secp256k1).unwrap().public_key_to_pem().unwrap();
    assert!(PublicKey::from_certificate(&PKey::public_key_from_pem(&pem).unwrap()).is_err());
}

fn check_with_ssh_keygen(pem: &[u8], kind: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    std::fs::write(&path, pem).unwrap();
    let output = std::process::Command::new("ssh-keygen")
        .args(["-i", "-m", "PKCS8", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    let key = PublicKey::from_certificate(&PKey::public_key_from_pem(pem).unwrap()).unwrap();
    assert_eq!(key.kind(), kind);
    assert_eq!(key.line(), String::from_utf8(output.stdout).unwrap().trim());
}
