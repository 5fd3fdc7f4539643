//! What a pass is going to do: everything is judged before anything is changed, and all errors are told at once.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use waagent_common::config::{Config, SwitchKey, TextKey};
use waagent_common::digest::sha256;
use waagent_common::documents::{ProvisionJournal, StepError};
use waagent_common::root::Root;
use waagent_common::secret::Secret;
use waagent_common::types::Thumbprint;
use waagent_common::users::gid_of;

use crate::accounts::{Account, LoginDefs, account};
use crate::journal;
use crate::key_file::KeyFile;
use crate::names::{HostName, UserName};
use crate::ovf::{Key, KeyPair, Ovf, Password};
use crate::public_key::PublicKey;
use crate::reason::{self, Reason};

/// What is going to be done. Made of what the platform asks for, the configuration, and the accounts that are there.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The machine's name.
    pub(crate) host_name: HostName,
    /// The user's name.
    pub(crate) user: UserName,
    /// The account, where the machine has it already.
    pub(crate) account: Option<Account>,
    /// Where its home is, or will be.
    pub(crate) home: PathBuf,
    /// A group of its name that is there without it: its primary group then.
    pub(crate) group: Option<u32>,
    /// Its password.
    pub(crate) password: NewPassword,
    /// sshd's password logins: forbid, allow, or leave them as the image has them.
    pub(crate) password_login: Option<bool>,
    /// Keys for logging in.
    pub(crate) keys: Vec<WantedKey>,
    /// Private keys to be copied into the home.
    pub(crate) key_pairs: Vec<WantedPair>,
    /// Custom data, decoded if the configuration says so.
    pub(crate) custom_data: Option<Secret<Vec<u8>>>,
    /// May extensions run?
    pub(crate) guest_agent: bool,
    /// What was got over.
    pub(crate) warnings: Vec<String>,
}

/// The user's password.
#[derive(Debug)]
pub(crate) enum NewPassword {
    /// None is asked for.
    None,
    /// This one.
    Set(Secret<String>),
    /// An earlier pass has set it; the text is gone.
    SetEarlier,
}

/// A key for logging in, and the file that it goes to.
#[derive(Debug, Clone)]
pub(crate) struct WantedKey {
    /// The file.
    pub(crate) target: KeyFile,
    /// The key, or the certificate that holds it.
    pub(crate) source: KeySource,
}

/// Where a key comes from.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// The medium.
    Value(PublicKey),
    /// A certificate that the platform sends over the network.
    Certificate(Thumbprint),
}

/// A private key to be copied into the home.
#[derive(Debug, Clone)]
pub(crate) struct WantedPair {
    /// The file of the private key.
    pub(crate) target: KeyFile,
    /// Whose key.
    pub(crate) thumbprint: Thumbprint,
}

impl NewPassword {
    /// Is, or was, a password asked for?
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::None)
    }
}

impl Plan {
    /// Judges everything, knowing what a pass before this one has done.
    pub(crate) fn make(
        ovf: Ovf,
        config: &Config,
        root: &Root,
        earlier: Option<&ProvisionJournal>,
    ) -> Result<Self, Vec<StepError>> {
        let mut judge = Judge { config, root, earlier, errors: Vec::new(), warnings: ovf.warnings };
        if let Some(what) = ovf.preprovisioned {
            judge.refuse("media", Reason::Preprovisioned, format!("{what}; use cloud-init in such images"));
        }
        let host_name = judge.host_name(&ovf.host_name);
        let user = judge.user_name(&ovf.user_name);
        let (Some(host_name), Some(user)) = (host_name, user) else { return Err(judge.errors) };
        let found = judge.account(&user);
        let group = judge.group(&user, found.as_ref());
        let homes = Path::new(config.text(TextKey::OsHomeDir));
        let home = found.as_ref().map_or_else(|| homes.join(user.as_str()), |account| account.home.clone());
        let password = judge.password(ovf.password);
        let keys = judge.keys(&ovf.public_keys, &home, &user);
        let key_pairs = judge.pairs(&ovf.key_pairs, &home, &user);
        if !password.is_given() && ovf.public_keys.is_empty() {
            judge.refuse("user", Reason::NoLogin, "ovf-env.xml holds neither a password nor a public key");
        }
        let custom_data = judge.custom_data(ovf.custom_data);
        if !judge.errors.is_empty() {
            return Err(judge.errors);
        }
        let disabled = ovf.disable_password.unwrap_or(!password.is_given());
        Ok(Self {
            host_name,
            user,
            account: found,
            home,
            group,
            password_login: if disabled { Some(false) } else { password.is_given().then_some(true) },
            password,
            keys,
            key_pairs,
            custom_data,
            guest_agent: ovf.provision_guest_agent,
            warnings: judge.warnings,
        })
    }

    /// By which a later pass, perhaps of a newer version, knows the same plan; no secret goes into it.
    pub(crate) fn digest(&self) -> String {
        let login = match self.password_login {
            None => "None",
            Some(true) => "Some(true)",
            Some(false) => "Some(false)",
        };
        let mut lines = vec![
            format!("host {}", self.host_name),
            format!("user {}", self.user),
            format!("password {}", self.password.is_given()),
            format!("login {login}"),
            format!("agent {}", self.guest_agent),
            format!("custom data {}", self.custom_data.as_ref().map_or(0, |data| data.expose().len())),
        ];
        lines.extend(self.keys.iter().map(|key| match &key.source {
            KeySource::Value(value) => format!("key {} {}", key.target.line(), value.line()),
            KeySource::Certificate(thumbprint) => format!("key {} {thumbprint}", key.target.line()),
        }));
        lines.extend(
            self.key_pairs.iter().map(|pair| format!("pair {} {}", pair.target.line(), pair.thumbprint)),
        );
        sha256(lines.join("\n").as_bytes())
    }
}

struct Judge<'a> {
    config: &'a Config,
    root: &'a Root,
    earlier: Option<&'a ProvisionJournal>,
    errors: Vec<StepError>,
    warnings: Vec<String>,
}

impl Judge<'_> {
    fn refuse(&mut self, step: &str, reason: Reason, text: impl Into<String>) {
        self.errors.push(reason::error(step, reason, text));
    }

    fn host_name(&mut self, text: &str) -> Option<HostName> {
        match HostName::try_from(text) {
            Ok(name) => {
                if name.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
                    self.warnings.push(format!("host name '{name}' is a number, ignoring"));
                }
                Some(name)
            }
            Err(why) => {
                self.refuse("host-name", Reason::HostName, format!("HostName: {why}"));
                None
            }
        }
    }

    fn user_name(&mut self, text: &str) -> Option<UserName> {
        match UserName::try_from(text) {
            Ok(name) => Some(name),
            Err(why) => {
                self.refuse("user", Reason::UserName, format!("UserName: {why}"));
                None
            }
        }
    }

    /// Accounts that aren't a person's are refused, whatever is asked for them, unless the configuration allows it.
    fn account(&mut self, user: &UserName) -> Option<Account> {
        let account = account(self.root, user.as_str())?;
        let is_allowed = self.config.switch(SwitchKey::ProvisioningAllowResetSysUser)
            && (account.uid != 0 || user.as_str() == "root");
        // useradd has given it what this machine gives to people.
        let is_ours =
            self.earlier.is_some_and(|journal| journal.created_user.as_deref() == Some(user.as_str()));
        let oddity = account.oddity(self.root).filter(|_| !is_ours || account.uid == 0);
        if let Some(why) = oddity.filter(|_| !is_allowed) {
            let text = format!("'{user}' is an account of the system: {why}; choose another UserName");
            self.refuse("user", Reason::SystemUser, text);
        }
        Some(account)
    }

    fn group(&mut self, user: &UserName, account: Option<&Account>) -> Option<u32> {
        if account.is_some() {
            return None;
        }
        let gid = gid_of(self.root, user.as_str())?;
        if !LoginDefs::read(self.root).gids().contains(&gid) {
            self.refuse("user", Reason::SystemUser, format!("'{user}' is a group of the system (gid {gid})"));
        }
        Some(gid)
    }

    fn password(&mut self, password: Password) -> NewPassword {
        match password {
            Password::Given(text) => {
                let (length, bytes) = (text.expose().chars().count(), text.expose().len());
                if length > 72 || bytes > 511 {
                    let text = format!("UserPassword: {length} characters, more than the 72 allowed");
                    self.refuse("password", Reason::PasswordUnsupported, text);
                }
                NewPassword::Set(text)
            }
            Password::Withheld if self.earlier.is_some_and(journal::has_set_password) => {
                NewPassword::SetEarlier
            }
            Password::None | Password::Withheld => NewPassword::None,
        }
    }

    fn keys(&mut self, keys: &[Key], home: &Path, user: &UserName) -> Vec<WantedKey> {
        let mut wanted = Vec::new();
        for (number, key) in (1..).zip(keys) {
            let target = self.target(key.path.as_deref(), home, user, &format!("public key #{number}"));
            let source = match (&key.value, &key.fingerprint) {
                (Some(value), _) => PublicKey::parse(value).map(KeySource::Value).map_err(|e| e.to_string()),
                (None, Some(fingerprint)) => Thumbprint::try_from(fingerprint.to_ascii_uppercase())
                    .map(KeySource::Certificate)
                    .map_err(|why| format!("Fingerprint: {why}")),
                (None, None) => Err("neither Value nor Fingerprint".to_owned()),
            };
            match (target, source) {
                (Some(target), Ok(source)) => wanted.push(WantedKey { target, source }),
                (_, Err(why)) => {
                    self.refuse(
                        "authorized-keys",
                        Reason::PublicKey,
                        format!("invalid public key #{number}: {why}"),
                    );
                }
                (None, Ok(_)) => {}
            }
        }
        wanted
    }

    fn pairs(&mut self, pairs: &[KeyPair], home: &Path, user: &UserName) -> Vec<WantedPair> {
        let mut wanted = Vec::new();
        for (number, pair) in (1..).zip(pairs) {
            let target = self.target(pair.path.as_deref(), home, user, &format!("key pair #{number}"));
            let fingerprint = pair.fingerprint.clone().unwrap_or_default().to_ascii_uppercase();
            match (target, Thumbprint::try_from(fingerprint)) {
                (Some(target @ KeyFile::InHome(_)), Ok(thumbprint)) => {
                    wanted.push(WantedPair { target, thumbprint });
                }
                (_, Err(why)) => {
                    self.refuse(
                        "key-pairs",
                        Reason::PublicKey,
                        format!("key pair #{number}: Fingerprint: {why}"),
                    );
                }
                (Some(_), Ok(_)) => {
                    self.refuse(
                        "key-pairs",
                        Reason::KeyPath,
                        format!("key pair #{number}: not below the home"),
                    );
                }
                (None, Ok(_)) => {}
            }
        }
        wanted
    }

    fn target(&mut self, path: Option<&str>, home: &Path, user: &UserName, what: &str) -> Option<KeyFile> {
        let homes = self.config.text(TextKey::OsHomeDir);
        match KeyFile::of(path.unwrap_or_default(), homes, home, user, self.root) {
            Ok(target) => Some(target),
            Err(why) => {
                self.refuse("authorized-keys", Reason::KeyPath, format!("Path of {what}: {why}"));
                None
            }
        }
    }

    /// At most 65 535 bytes after decoding, as the platform itself allows.
    fn custom_data(&mut self, text: Option<Secret<String>>) -> Option<Secret<Vec<u8>>> {
        let text = text?;
        let decode = self.config.switch(SwitchKey::ProvisioningDecodeCustomData)
            || self.config.switch(SwitchKey::ProvisioningExecuteCustomData);
        if !decode {
            let length = text.expose().len();
            if length > MAX_ENCODED {
                self.refuse(
                    "custom-data",
                    Reason::CustomData,
                    format!("{length} bytes, more than {MAX_ENCODED}"),
                );
            }
            return Some(Secret::new(text.expose().clone().into_bytes()));
        }
        let dense: String = text.expose().chars().filter(|c| !c.is_ascii_whitespace()).collect();
        match LENIENT_PADDING.decode(&dense) {
            Ok(data) if data.len() <= MAX_CUSTOM_DATA => Some(Secret::new(data)),
            Ok(data) => {
                let text = format!("{} bytes, more than {MAX_CUSTOM_DATA}", data.len());
                self.refuse("custom-data", Reason::CustomData, text);
                None
            }
            Err(_) => {
                self.refuse("custom-data", Reason::CustomData, "its base64 is damaged");
                None
            }
        }
    }
}

const MAX_CUSTOM_DATA: usize = 65_535;
const MAX_ENCODED: usize = 87_384;
const LENIENT_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
