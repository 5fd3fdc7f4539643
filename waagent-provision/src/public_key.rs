//! SSH public keys: parsed to the last byte before they are written anywhere.

use anyhow::{Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};

/// A public key of a type that sshd takes and Azure or a token makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    kind: &'static str,
    blob: Vec<u8>,
    comment: String,
}

impl PublicKey {
    /// From one OpenSSH line, or the form of RFC 4716.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
            return rfc4716(text);
        }
        ensure!(!text.starts_with("-----BEGIN"), "it is PEM; convert it with 'ssh-keygen -i -m PKCS8'");
        // Old portals broke the base64 into lines.
        let line = text.replace("\r\n", "");
        ensure!(
            !line.chars().any(|c| c.is_control() && c != '\t'),
            "it holds a line break or a control character"
        );
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let kind = known(words.next().unwrap_or_default())?;
        let blob = decode(words.next().unwrap_or_default())?;
        check(kind, &blob)?;
        Ok(Self { kind, blob, comment: comment(&words.collect::<Vec<_>>().join(" ")) })
    }

    /// From a certificate's public key, which OpenSSL has parsed.
    pub(crate) fn from_certificate(key: &PKey<Public>) -> Result<Self> {
        let (kind, blob) = match key.id() {
            Id::RSA => {
                let rsa = key.rsa()?;
                let e = mpint(&rsa.e().to_vec());
                let n = mpint(&rsa.n().to_vec());
                ("ssh-rsa", [string(b"ssh-rsa"), string(&e), string(&n)].concat())
            }
            Id::ED25519 => ("ssh-ed25519", [string(b"ssh-ed25519"), string(&key.raw_public_key()?)].concat()),
            Id::EC => elliptic(key)?,
            _ => bail!("its certificate's key is neither RSA, EC nor Ed25519"),
        };
        check(kind, &blob)?;
        Ok(Self { kind, blob, comment: String::new() })
    }

    /// `ssh-rsa`, `ssh-ed25519` ...
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The key in base64, by which two lines are the same key.
    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.blob)
    }

    /// The line of an `authorized_keys` file, without its end.
    pub(crate) fn line(&self) -> String {
        let gap = if self.comment.is_empty() { "" } else { " " };
        format!("{} {}{gap}{}", self.kind, self.base64(), self.comment)
    }

    /// `SHA256:...`, as ssh-keygen(1) shows it.
    pub(crate) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(openssl::sha::sha256(&self.blob)))
    }
}

fn known(word: &str) -> Result<&'static str> {
    if let Some(kind) = KINDS.iter().find(|kind| **kind == word) {
        return Ok(kind);
    }
    ensure!(!word.contains("-cert-v01@"), "it is a certificate, not a key");
    match word {
        "ssh-dss" => bail!("DSA keys are no longer taken by sshd"),
        "" => bail!("it is empty"),
        _ => bail!("it doesn't begin with a key type (options aren't taken)"),
    }
}

fn decode(word: &str) -> Result<Vec<u8>> {
    ensure!(word.len() <= MAX_BLOB * 4 / 3 + 4, "longer than {MAX_BLOB} bytes");
    let Ok(blob) = STANDARD.decode(word) else { bail!("its base64 is damaged") };
    ensure!(blob.len() <= MAX_BLOB, "longer than {MAX_BLOB} bytes");
    Ok(blob)
}

/// Longer or stranger comments help nobody and are dropped.
fn comment(text: &str) -> String {
    if text.len() <= 256 { text.to_owned() } else { String::new() }
}

/// Looks at the whole structure by RFC 4253 6.6, RFC 5656, RFC 8709 and OpenSSH's PROTOCOL.u2f.
fn check(kind: &str, blob: &[u8]) -> Result<()> {
    let mut rest = blob;
    let inner = take(&mut rest)?;
    ensure!(inner == kind.as_bytes(), "its type and its content differ");
    match kind {
        "ssh-rsa" => {
            let (e, n) = (take(&mut rest)?, take(&mut rest)?);
            let n = positive(n)?;
            let e = positive(e)?;
            let is_odd = e.last().is_some_and(|byte| byte & 1 == 1);
            ensure!(is_odd && (e.len() > 1 || e > [2].as_slice()), "its exponent is even or 1");
            let bits = n.len() * 8 - usize::try_from(n.first().map_or(0, |byte| byte.leading_zeros()))?;
            ensure!((2048..=16384).contains(&bits), "RSA of {bits} bits, not 2048 to 16384");
        }
        "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => {
            ensure!(take(&mut rest)?.len() == 32, "its key isn't 32 bytes long");
        }
        _ => {
            let (curve, length) = match kind {
                "ecdsa-sha2-nistp384" => ("nistp384", 97),
                "ecdsa-sha2-nistp521" => ("nistp521", 133),
                _ => ("nistp256", 65),
            };
            ensure!(take(&mut rest)? == curve.as_bytes(), "its curve and its type differ");
            let point = take(&mut rest)?;
            ensure!(point.len() == length && point.first() == Some(&4), "its point is malformed");
        }
    }
    if kind.starts_with("sk-") {
        ensure!(take(&mut rest)?.len() <= 256, "its application is too long");
    }
    ensure!(rest.is_empty(), "it goes on after its end");
    Ok(())
}

/// The next string of RFC 4251: length in four bytes, then that many.
fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let cut_short = || anyhow::anyhow!("it is cut short");
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    let (taken, after) = after.split_at_checked(length).ok_or_else(cut_short)?;
    *rest = after;
    Ok(taken)
}

/// A positive mpint without its leading zero.
fn positive(number: &[u8]) -> Result<&[u8]> {
    let digits = number.strip_prefix(&[0]).unwrap_or(number);
    let is_negative = digits.len() == number.len() && number.first().is_some_and(|byte| byte & 0x80 != 0);
    ensure!(!is_negative && digits.first().is_some_and(|byte| *byte != 0), "a number in it is malformed");
    Ok(digits)
}

fn mpint(digits: &[u8]) -> Vec<u8> {
    let needs_zero = digits.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut number = if needs_zero { vec![0] } else { Vec::new() };
    number.extend_from_slice(digits);
    number
}

fn string(bytes: &[u8]) -> Vec<u8> {
    // Keys are bounded far below 4 GiB.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

fn elliptic(key: &PKey<Public>) -> Result<(&'static str, Vec<u8>)> {
    let ec = key.ec_key()?;
    let (kind, curve) = match ec.group().curve_name() {
        Some(Nid::X9_62_PRIME256V1) => ("ecdsa-sha2-nistp256", "nistp256"),
        Some(Nid::SECP384R1) => ("ecdsa-sha2-nistp384", "nistp384"),
        Some(Nid::SECP521R1) => ("ecdsa-sha2-nistp521", "nistp521"),
        _ => bail!("its certificate's curve isn't P-256, P-384 or P-521"),
    };
    let mut context = openssl::bn::BigNumContext::new()?;
    let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
    let point = ec.public_key().to_bytes(ec.group(), form, &mut context)?;
    Ok((kind, [string(kind.as_bytes()), string(curve.as_bytes()), string(&point)].concat()))
}

/// Headers, continued by a backslash, then base64 in lines.
fn rfc4716(text: &str) -> Result<PublicKey> {
    let mut base64 = String::new();
    let mut in_header = false;
    let mut is_ended = false;
    for line in text.lines().skip(1).map(str::trim) {
        if line.starts_with("---- END SSH2 PUBLIC KEY") {
            is_ended = true;
            break;
        }
        if in_header || line.contains(':') {
            in_header = line.ends_with('\\');
        } else {
            base64.push_str(line);
        }
    }
    ensure!(is_ended, "its end line is missing");
    let blob = decode(&base64)?;
    let name = take(&mut blob.as_slice())?.to_vec();
    let kind = known(std::str::from_utf8(&name).unwrap_or("?"))?;
    check(kind, &blob)?;
    Ok(PublicKey { kind, blob, comment: String::new() })
}

const MAX_BLOB: usize = 16 << 10;
const KINDS: &[&str] = &[
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-ed25519",
    "ssh-rsa",
];

#[cfg(test)]
mod tests;
