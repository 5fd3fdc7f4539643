//! What `ovf-env.xml` asks for, element by element.

use waagent_common::secret::Secret;
use waagent_common::text::shown;
use waagent_common::xml::Element;

use super::{AZURE, OVF, Refusal, parse};

/// What the file asks for; texts as they are, not yet judged.
#[derive(Debug)]
pub struct Ovf {
    /// `HostName`.
    pub(crate) host_name: String,
    /// `UserName`.
    pub user_name: String,
    /// `UserPassword`.
    pub(crate) password: Password,
    /// `DisableSshPasswordAuthentication`, where it says something.
    pub(crate) disable_password: Option<bool>,
    /// `CustomData`, base64.
    pub(crate) custom_data: Option<Secret<String>>,
    /// `SSH/PublicKeys`.
    pub(crate) public_keys: Vec<Key>,
    /// `SSH/KeyPairs`.
    pub(crate) key_pairs: Vec<KeyPair>,
    /// `ProvisionGuestAgent`: anything but `false` is true.
    pub(crate) provision_guest_agent: bool,
    /// `PreprovisionedVm`, `PreprovisionedVMType`: what is set, if anything is.
    pub(crate) preprovisioned: Option<String>,
    /// What was got over.
    pub(crate) warnings: Vec<String>,
}

/// What `UserPassword` holds.
#[derive(Debug)]
pub enum Password {
    /// Nothing.
    None,
    /// A password.
    Given(Secret<String>),
    /// The mark of a scrubbed copy: there was one.
    Withheld,
}

/// One `PublicKey`.
#[derive(Debug)]
pub struct Key {
    /// `Path`.
    pub(crate) path: Option<String>,
    /// `Value`.
    pub(crate) value: Option<String>,
    /// `Fingerprint`.
    pub(crate) fingerprint: Option<String>,
}

/// One `KeyPair`.
#[derive(Debug)]
pub struct KeyPair {
    /// `Path`.
    pub(crate) path: Option<String>,
    /// `Fingerprint`.
    pub(crate) fingerprint: Option<String>,
}

/// Reads the file's text.
pub fn read(text: &str) -> Result<Ovf, Refusal> {
    let root = parse(text)?;
    if root.namespace != Some(OVF) || root.name != "Environment" {
        return Err(missing(&root, "Environment"));
    }
    let mut warnings = Vec::new();
    let section = required(&root, "ProvisioningSection")?;
    check_version(section, &mut warnings)?;
    let Some(set) = child(section, "LinuxProvisioningConfigurationSet")? else {
        let windows = child(section, "WindowsProvisioningConfigurationSet")?.is_some();
        let hint = if windows { "; it is made for Windows" } else { "" };
        let text = format!("LinuxProvisioningConfigurationSet not found{hint}");
        return Err(Refusal::unexpected(text));
    };
    if let Some(kind) = value(set, "ConfigurationSetType")?
        && kind != "LinuxProvisioningConfiguration"
    {
        return Err(Refusal::unexpected(format!("ConfigurationSetType is '{}'", shown(&kind))));
    }
    let settings = platform_settings(&root, &mut warnings)?;
    let (public_keys, key_pairs) = keys(set)?;
    note_unknown(set, &mut warnings);
    Ok(Ovf {
        host_name: required_value(set, "HostName")?,
        user_name: required_value(set, "UserName")?,
        password: password(set)?,
        disable_password: boolean(set, "DisableSshPasswordAuthentication")?,
        custom_data: value(set, "CustomData")?.map(Secret::new),
        public_keys,
        key_pairs,
        provision_guest_agent: guest_agent(settings)?,
        preprovisioned: preprovisioned(settings)?,
        warnings,
    })
}

/// Trimming would change it: it is taken as it is written.
fn password(set: &Element) -> Result<Password, Refusal> {
    let Some(element) = child(set, "UserPassword")? else { return Ok(Password::None) };
    Ok(match plain_text(element)? {
        "" => Password::None,
        // WALinuxAgent's mark and cloud-init's.
        "*" | "REDACTED" => Password::Withheld,
        text => Password::Given(Secret::new(text.to_owned())),
    })
}

fn keys(set: &Element) -> Result<(Vec<Key>, Vec<KeyPair>), Refusal> {
    let mut public_keys = Vec::new();
    let mut key_pairs = Vec::new();
    let Some(ssh) = child(set, "SSH")? else { return Ok((public_keys, key_pairs)) };
    if let Some(list) = child(ssh, "PublicKeys")? {
        for key in rows(list, "PublicKey")? {
            let (path, fingerprint) = (value(key, "Path")?, value(key, "Fingerprint")?);
            public_keys.push(Key { path, value: value(key, "Value")?, fingerprint });
        }
    }
    if let Some(list) = child(ssh, "KeyPairs")? {
        for pair in rows(list, "KeyPair")? {
            let (path, fingerprint) = (value(pair, "Path")?, value(pair, "Fingerprint")?);
            key_pairs.push(KeyPair { path, fingerprint });
        }
    }
    Ok((public_keys, key_pairs))
}

fn rows<'a>(list: &'a Element, name: &str) -> Result<Vec<&'a Element>, Refusal> {
    let rows: Vec<&Element> = list.children.iter().filter(|row| is(row, name)).collect();
    if rows.len() > MAX_KEYS {
        return Err(Refusal::unexpected(format!("{} {name}, more than the {MAX_KEYS} allowed", rows.len())));
    }
    Ok(rows)
}

/// Private clouds leave the section out.
fn platform_settings<'a>(
    root: &'a Element,
    warnings: &mut Vec<String>,
) -> Result<Option<&'a Element>, Refusal> {
    let section = child(root, "PlatformSettingsSection")?;
    let settings = match section {
        Some(section) => child(section, "PlatformSettings")?,
        None => None,
    };
    if settings.is_none() {
        warnings.push("ovf-env.xml has no PlatformSettings, using ProvisionGuestAgent=true".to_owned());
    }
    Ok(settings)
}

fn guest_agent(settings: Option<&Element>) -> Result<bool, Refusal> {
    let Some(settings) = settings else { return Ok(true) };
    let said = value(settings, "ProvisionGuestAgent")?;
    Ok(said.is_none_or(|text| !text.eq_ignore_ascii_case("false")))
}

fn preprovisioned(settings: Option<&Element>) -> Result<Option<String>, Refusal> {
    let Some(settings) = settings else { return Ok(None) };
    for name in ["PreprovisionedVMType", "PreprovisionedVmType"] {
        if let Some(kind) = value(settings, name)?
            && !kind.eq_ignore_ascii_case("none")
        {
            return Ok(Some(format!("{name} is '{}'", shown(&kind))));
        }
    }
    let is_set = boolean(settings, "PreprovisionedVm")? == Some(true);
    Ok(is_set.then(|| "PreprovisionedVm is true".to_owned()))
}

fn check_version(section: &Element, warnings: &mut Vec<String>) -> Result<(), Refusal> {
    let Some(version) = value(section, "Version")? else {
        warnings.push("ovf-env.xml names no Version, ignoring".to_owned());
        return Ok(());
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major > 1) {
        let shown = shown(&version);
        warnings.push(format!("newer provisioning configuration detected (Version '{shown}'), ignoring"));
    }
    Ok(())
}

/// Names only: their values may be anything.
fn note_unknown(set: &Element, warnings: &mut Vec<String>) {
    for element in set.children.iter().filter(|element| element.namespace == Some(AZURE)) {
        if !KNOWN.contains(&element.name.as_str()) && warnings.len() < 32 {
            warnings.push(format!("ovf-env.xml has element '{}', ignoring", shown(&element.name)));
        }
    }
}

fn boolean(parent: &Element, name: &str) -> Result<Option<bool>, Refusal> {
    let Some(text) = value(parent, name)? else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(Refusal::unexpected(format!("{name} is '{}', neither true nor false", shown(&text)))),
    }
}

fn required_value(parent: &Element, name: &str) -> Result<String, Refusal> {
    value(parent, name)?.ok_or_else(|| missing(parent, name))
}

/// A value without the white space around it; an empty one is none.
fn value(parent: &Element, name: &str) -> Result<Option<String>, Refusal> {
    let Some(element) = child(parent, name)? else { return Ok(None) };
    let text = plain_text(element)?.trim_matches([' ', '\t', '\r', '\n']);
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn plain_text(element: &Element) -> Result<&str, Refusal> {
    if element.has_comment || !element.children.is_empty() {
        return Err(Refusal::unexpected(format!("{} holds more than a text", element.name)));
    }
    Ok(element.whole_text())
}

fn required<'a>(parent: &'a Element, name: &str) -> Result<&'a Element, Refusal> {
    child(parent, name)?.ok_or_else(|| missing(parent, name))
}

/// The one child of that name; nil ones don't count, two are refused.
fn child<'a>(parent: &'a Element, name: &str) -> Result<Option<&'a Element>, Refusal> {
    let mut found = parent.children.iter().filter(|element| is(element, name) && !element.is_nil);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Refusal::unexpected(format!("multiple values for {name}"))),
        (first, None) => Ok(first),
    }
}

fn is(element: &Element, name: &str) -> bool {
    element.namespace == Some(AZURE) && element.name == name
}

fn missing(parent: &Element, name: &str) -> Refusal {
    let elsewhere = parent.name == name
        || parent.children.iter().any(|element| element.name == name && !is(element, name));
    let hint = if elsewhere { " (present in another namespace)" } else { "" };
    Refusal::unexpected(format!("{name} not found{hint}"))
}

const MAX_KEYS: usize = 64;
/// Elements of the set that mean something to us, or are known to mean nothing on Linux.
const KNOWN: &[&str] = &[
    "AdminPassword",
    "ConfigurationSetType",
    "CustomData",
    "DisableSshPasswordAuthentication",
    "HostName",
    "SSH",
    "UserData",
    "UserName",
    "UserPassword",
    "dscfg",
];
