//! The provisioning DVD's folder: `ovf-env.xml` as the platform writes it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::identity::Identities;
use crate::scenario::{KeyPair, Provision, PublicKey, Scenario};
use crate::xml::escape;

/// Writes `ovf-env.xml` into a folder, and `CustomData.bin` if there is custom data. `extra_keys` are further
/// OpenSSH lines for the user.
pub fn write(
    scenario: &Scenario,
    identities: &Identities,
    extra_keys: &[String],
    folder: &Path,
) -> Result<()> {
    let provision = scenario.provision.as_ref().context("the scenario has no [provision]")?;
    let mut provision = provision.clone();
    let path = format!("/home/{}/.ssh/authorized_keys", provision.user_name);
    provision.public_key.extend(extra_keys.iter().map(|line| PublicKey {
        path: path.clone(),
        value: Some(line.trim().to_owned()),
        certificate: None,
        by_value: false,
    }));
    fs::create_dir_all(folder)?;
    fs::write(folder.join("ovf-env.xml"), document(&provision, identities)?)?;
    if let Some(data) = &provision.custom_data {
        fs::write(folder.join("CustomData.bin"), data)?;
    }
    Ok(())
}

/// Text of `ovf-env.xml`.
pub fn document(provision: &Provision, identities: &Identities) -> Result<String> {
    let optional = |name: &str, value: Option<String>| {
        value.map(|value| format!("\n      <{name}>{}</{name}>", escape(&value))).unwrap_or_default()
    };
    let password = optional("UserPassword", provision.password.clone());
    let disable = provision.disable_password_authentication.map(|disable| disable.to_string());
    let disable = optional("DisableSshPasswordAuthentication", disable);
    let data = optional("CustomData", provision.custom_data.as_ref().map(|data| STANDARD.encode(data)));
    Ok(format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" xmlns:wa="http://schemas.microsoft.com/windowsazure" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <wa:ProvisioningSection>
    <wa:Version>1.0</wa:Version>
    <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
      <ConfigurationSetType>LinuxProvisioningConfiguration</ConfigurationSetType>
      <HostName>{host}</HostName>
      <UserName>{user}</UserName>{password}{disable}{ssh}{data}
    </LinuxProvisioningConfigurationSet>
  </wa:ProvisioningSection>
  <wa:PlatformSettingsSection>
    <wa:Version>1.0</wa:Version>
    <wa:PlatformSettings>
      <wa:KmsServerHostname>kms.example.net</wa:KmsServerHostname>
      <wa:ProvisionGuestAgent>{agent}</wa:ProvisionGuestAgent>
      <wa:GuestAgentPackageName xsi:nil="true" />
      <wa:PreprovisionedVm>false</wa:PreprovisionedVm>
      <wa:PreprovisionedVMType xsi:nil="true" />
      <wa:ProvisionGuestProxyAgent>false</wa:ProvisionGuestProxyAgent>
    </wa:PlatformSettings>
  </wa:PlatformSettingsSection>
</Environment>
"#,
        host = escape(&provision.host_name),
        user = escape(&provision.user_name),
        ssh = ssh(provision, identities)?,
        agent = provision.agent.unwrap_or(true),
    ))
}

fn ssh(provision: &Provision, identities: &Identities) -> Result<String> {
    let keys: String =
        provision.public_key.iter().map(|key| public_key(key, identities)).collect::<Result<_>>()?;
    let pairs: String =
        provision.key_pair.iter().map(|pair| key_pair(pair, identities)).collect::<Result<_>>()?;
    let list = |name: &str, content: String| {
        if content.is_empty() { content } else { format!("\n        <{name}>{content}\n        </{name}>") }
    };
    let content = list("PublicKeys", keys) + &list("KeyPairs", pairs);
    Ok(if content.is_empty() { content } else { format!("\n      <SSH>{content}\n      </SSH>") })
}

fn public_key(key: &PublicKey, identities: &Identities) -> Result<String> {
    let identity = key.certificate.as_ref().and_then(|name| identities.get(name));
    // The platform sends a fingerprint with a value too; nothing need have it.
    let fingerprint = identity.map_or_else(|| Ok("0".repeat(40)), crate::identity::Identity::thumbprint)?;
    let value = match (&key.value, identity) {
        (Some(value), _) => Some(value.clone()),
        (None, Some(identity)) if key.by_value => Some(identity.ssh_line()?),
        (None, _) => None,
    };
    let value = value.map(|value| format!("<Value>{}</Value>", escape(&value))).unwrap_or_default();
    Ok(format!(
        "\n          <PublicKey><Fingerprint>{fingerprint}</Fingerprint><Path>{}</Path>{value}</PublicKey>",
        escape(&key.path)
    ))
}

fn key_pair(pair: &KeyPair, identities: &Identities) -> Result<String> {
    let identity = identities.get(&pair.certificate).context("no such certificate")?;
    Ok(format!(
        "\n          <KeyPair><Fingerprint>{}</Fingerprint><Path>{}</Path></KeyPair>",
        identity.thumbprint()?,
        escape(&pair.path)
    ))
}
