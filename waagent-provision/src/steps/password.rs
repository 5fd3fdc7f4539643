//! Step `password`: the user's, as a hash that the configuration chooses.

use std::fs;
use std::io::Read;

use anyhow::{Result, bail};
use waagent_common::config::{IntegerKey, TextKey};
use waagent_common::fault::{Exit, Fault};
use waagent_common::secret::Secret;
use waagent_common::sys::crypt;

use crate::accounts::LoginDefs;
use crate::pass::{Pass, StepOutcome};
use crate::plan::NewPassword;
use crate::shadow::{self, Field};

/// The user's password, as a hash of the configured method. A user of ours without one gets `*`: sshd without PAM
/// takes keys for that, but not for `!`.
pub(crate) fn set(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let user = pass.plan.user.as_str();
    if pass.plan.password_login == Some(false) && pass.has_failed("sshd") {
        return Ok(StepOutcome::Skipped("password logins over ssh couldn't be switched off".to_owned()));
    }
    let before = shadow::field(pass.root, user)?;
    let (field, what) = match &pass.plan.password {
        NewPassword::Set(_) | NewPassword::SetEarlier
            if pass.was_done("password") && before == Field::Usable =>
        {
            return Ok(StepOutcome::Unchanged(format!("'{user}' has its password")));
        }
        NewPassword::SetEarlier => {
            bail!(Fault::new(Exit::NoInput, "the password is neither set nor on the medium's copy"));
        }
        NewPassword::Set(password) => (hash(pass, password)?, "password"),
        NewPassword::None if pass.account_is_ours() && !pass.was_done("password") => {
            (Secret::new("*".to_owned()), "no password, keys only,")
        }
        NewPassword::None => {
            return Ok(StepOutcome::Unchanged(format!("password of '{user}' stays as it is")));
        }
    };
    shadow::set(pass.root, user, &field)?;
    let is_usable = shadow::field(pass.root, user)? == Field::Usable;
    if is_usable != pass.plan.password.is_given() {
        bail!(Fault::new(Exit::Os, format!("chpasswd ended well, but the password of '{user}' isn't set")));
    }
    Ok(StepOutcome::Done(format!("set {what} for '{user}'")))
}

fn hash(pass: &mut Pass<'_>, password: &Secret<String>) -> Result<Secret<String>> {
    let method = method(pass);
    let setting = match method.as_str() {
        "1" | "5" | "6" => {
            let rounds = LoginDefs::read(pass.root).sha_rounds().filter(|_| method != "1");
            let rounds = rounds.map(|rounds| format!("rounds={rounds}$")).unwrap_or_default();
            let length =
                usize::try_from(pass.config.integer(IntegerKey::ProvisioningPasswordCryptSaltLength))?;
            let longest = if method == "1" { 8 } else { 16 };
            format!("${method}${rounds}{}", salt(length.clamp(8, longest))?)
        }
        other => {
            let cost = if other == "2b" { 10 } else { 0 };
            crypt::setting(&format!("${other}$"), cost).map_err(|why| refused(other, &why.to_string()))?
        }
    };
    let hash = crypt::hash(password.expose().as_bytes(), &setting)
        .map_err(|why| refused(&method, &why.to_string()))?;
    if !hash.starts_with(&format!("${method}$")) {
        return Err(refused(&method, "the hash has another method").into());
    }
    Ok(Secret::new(hash))
}

/// The configured method, or SHA-512 where the machine's cryptography doesn't allow it.
fn method(pass: &mut Pass<'_>) -> String {
    let asked = pass.config.text(TextKey::ProvisioningPasswordCryptId).to_owned();
    let is_fips = fs::read_to_string("/proc/sys/crypto/fips_enabled").is_ok_and(|text| text.trim() == "1");
    match asked.as_str() {
        "5" | "6" => asked,
        _ if is_fips => {
            pass.warn(format!("Provisioning.PasswordCryptId={asked} isn't approved in FIPS mode, using 6"));
            "6".to_owned()
        }
        "1" => {
            pass.warn("Provisioning.PasswordCryptId=1 is MD5, which is weak, ignoring".to_owned());
            asked
        }
        "2a" => {
            pass.warn("Provisioning.PasswordCryptId=2a is outdated, using 2b".to_owned());
            "2b".to_owned()
        }
        _ => asked,
    }
}

/// Characters of crypt(5), six bits of the kernel's random numbers each.
fn salt(length: usize) -> Result<String> {
    let mut bytes = vec![0; length];
    // Waits until the pool is ready once; getrandom(2) with the same effect has no safe wrapper here.
    fs::File::open("/dev/random")?.read_exact(&mut bytes)?;
    let character = |byte: &u8| ALPHABET.get(usize::from(byte & 63)).copied().map_or('.', char::from);
    Ok(bytes.iter().map(character).collect())
}

fn refused(method: &str, why: &str) -> Fault {
    Fault::new(
        Exit::Os,
        format!("cannot hash the password by method '{method}': {why}; set Provisioning.PasswordCryptId=6"),
    )
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
