//! What the platform seals, the openssl tool opens.

mod common;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use waagent_fabric::fabric::Fabric;
use waagent_fabric::xml::text_at;

use common::{config, openssl, start};

/// A transport key as agents make it; gives the value of the certificate header.
fn transport(folder: &Path) -> Result<String> {
    let make = "req -x509 -nodes -subj /CN=LinuxTransport -days 2 -newkey rsa:2048 -keyout t.key -out t.crt";
    openssl(folder, &make.split(' ').collect::<Vec<_>>(), b"")?;
    let der = openssl(folder, &["x509", "-in", "t.crt", "-outform", "DER"], b"")?;
    Ok(STANDARD.encode(der))
}

/// Asks for the certificates, opens the envelope with the tool; gives what `cms -cmsout -print` says and the PFX.
fn unsealed(fabric: &Fabric, folder: &Path, cipher: &str) -> Result<(String, Vec<u8>)> {
    let certificate = transport(folder)?;
    let headers = [("x-ms-guest-agent-public-x509-cert", certificate.as_str()), ("x-ms-cipher-name", cipher)];
    let answer = config(fabric, "Certificates", &headers)?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let data = text_at(&answer.xml()?, "Data").replace('\n', "");
    let der = STANDARD.decode(data)?;
    let shown = openssl(folder, &["cms", "-cmsout", "-print", "-inform", "DER"], &der)?;
    let open = ["cms", "-decrypt", "-inform", "DER", "-inkey", "t.key", "-recip", "t.crt"];
    Ok((String::from_utf8_lossy(&shown).into_owned(), openssl(folder, &open, &der)?))
}

fn contents(folder: &Path, pfx: &[u8]) -> Result<(String, String)> {
    fs::write(folder.join("c.pfx"), pfx)?;
    let opened = openssl(folder, &["pkcs12", "-nodes", "-password", "pass:", "-in", "c.pfx"], b"")?;
    let info = std::process::Command::new("openssl")
        .args(["pkcs12", "-noout", "-info", "-password", "pass:", "-in", "c.pfx"])
        .current_dir(folder)
        .output()?;
    assert!(info.status.success(), "the MAC doesn't verify");
    Ok((String::from_utf8(opened)?, String::from_utf8_lossy(&info.stderr).into_owned()))
}

const FOUR: &str = r#"
[[certificate]]
name = "tenant"
[[certificate]]
name = "web"
[[certificate]]
name = "db"
[[certificate]]
name = "chain"
key = false
"#;

#[test]
fn seals_by_oaep_and_aes_a_3des_pfx_with_several_keys() -> Result<()> {
    let (fabric, folder) = (start(FOUR)?, TempDir::new()?);
    let (envelope, pfx) = unsealed(&fabric, folder.path(), "AES128_CBC")?;
    assert!(envelope.contains("rsaesOaep") && envelope.contains("aes-128-cbc"), "{envelope}");
    assert!(envelope.contains("subjectKeyIdentifier"), "{envelope}");
    let (pem, info) = contents(folder.path(), &pfx)?;
    assert_eq!(pem.matches("BEGIN PRIVATE KEY").count(), 3);
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 4);
    assert!(pem.contains("friendlyName: chain"));
    assert!(info.contains("pbeWithSHA1And3-KeyTripleDES-CBC") && info.contains("MAC: sha1"), "{info}");
    Ok(())
}

#[test]
fn seals_by_pkcs1_and_3des_an_aes_pfx_where_asked() -> Result<()> {
    let (fabric, folder) = (start(&format!("certificates.pfx = 'aes256'\n{FOUR}"))?, TempDir::new()?);
    let (envelope, pfx) = unsealed(&fabric, folder.path(), "DES_EDE3_CBC")?;
    assert!(envelope.contains("rsaEncryption") && envelope.contains("des-ede3-cbc"), "{envelope}");
    let (pem, info) = contents(folder.path(), &pfx)?;
    assert_eq!(pem.matches("BEGIN PRIVATE KEY").count(), 3);
    assert!(info.contains("PBES2") && info.contains("AES-256-CBC") && info.contains("MAC: sha256"), "{info}");
    Ok(())
}

#[test]
fn seals_to_nobody_when_the_scenario_says_so() -> Result<()> {
    let (fabric, folder) = (start(&format!("certificates.wrong_recipient = true\n{FOUR}"))?, TempDir::new()?);
    let error = unsealed(&fabric, folder.path(), "AES128_CBC").err().context("could be opened")?;
    assert!(error.to_string().contains("-decrypt"), "{error:#}");
    Ok(())
}

#[test]
fn refuses_certificates_without_transport_certificate_or_with_unknown_cipher() -> Result<()> {
    let (fabric, folder) = (start(FOUR)?, TempDir::new()?);
    let answer = config(&fabric, "Certificates", &[])?;
    assert_eq!((answer.status, answer.text().contains("x-ms-guest-agent-public-x509-cert")), (400, true));
    let certificate = transport(folder.path())?;
    let header = ("x-ms-guest-agent-public-x509-cert", certificate.as_str());
    assert_eq!(config(&fabric, "Certificates", &[header, ("x-ms-cipher-name", "ROT13")])?.status, 400);
    assert_eq!(config(&fabric, "Certificates", &[header])?.status, 200);
    assert_eq!(
        config(&fabric, "Certificates", &[("x-ms-guest-agent-public-x509-cert", "AAAA")])?.status,
        400
    );
    Ok(())
}

#[test]
fn seals_protected_settings_to_issuer_and_serial() -> Result<()> {
    let (state, folder) = (TempDir::new()?, TempDir::new()?);
    let scenario = waagent_fabric::scenario::Scenario::shipped("first-boot")?;
    let mut options = waagent_fabric::fabric::Options::loopback();
    options.state = Some(state.path().to_path_buf());
    let fabric = Fabric::start(scenario, &options)?;
    let config = config(&fabric, "ExtensionsConfig", &[])?.xml()?;
    let text = text_at(&config, "PluginSettings/Plugin/RuntimeSettings");
    let settings: serde_json::Value = serde_json::from_str(&text)?;
    let handler = settings.pointer("/runtimeSettings/0/handlerSettings").context("no handlerSettings")?;
    assert_eq!(handler["publicSettings"]["motto"], "grüße, \"plums\" & <pears>");
    assert_eq!(handler["protectedSettingsCertThumbprint"], fabric.thumbprint("TenantEncryptionCert")?);
    let der = STANDARD.decode(handler["protectedSettings"].as_str().context("no protectedSettings")?)?;
    let (key, certificate) = (
        state.path().join("certs/TenantEncryptionCert.key"),
        state.path().join("certs/TenantEncryptionCert.crt"),
    );
    let (key, certificate) = (key.to_string_lossy(), certificate.to_string_lossy());
    let open = ["cms", "-decrypt", "-inform", "DER", "-inkey", &key, "-recip", &certificate];
    let clear: serde_json::Value = serde_json::from_slice(&openssl(folder.path(), &open, &der)?)?;
    assert_eq!(clear["token"], "CANARY-protected-5d20aa");
    Ok(())
}

#[test]
fn seals_passwords_of_just_in_time_accounts_as_utf_16() -> Result<()> {
    let user =
        "[[remote_user]]\nname = 'jit1'\npassword = 'pär'\nexpiration = 'Thu, 31 Jan 2030 08:00:00 UTC'";
    let (fabric, folder) = (start(user)?, TempDir::new()?);
    let certificate = transport(folder.path())?;
    let uri = text_at(&common::goal_state(&fabric)?, "Container/RemoteAccessInfo");
    let target = uri.splitn(4, '/').nth(3).context("no RemoteAccessInfo")?;
    let headers =
        [&common::WIRE[..], &[("x-ms-guest-agent-public-x509-cert", certificate.as_str())]].concat();
    let wire_server = fabric.addresses().wire_server;
    let access = common::send(wire_server, "GET", &format!("/{target}"), &headers, b"")?.xml()?;
    let der = STANDARD.decode(text_at(&access, "Users/User/Password"))?;
    let open = ["cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", "t.key", "-recip", "t.crt"];
    assert_eq!(openssl(folder.path(), &open, &der)?, [0xff, 0xfe, b'p', 0, 0xe4, 0, b'r', 0]);
    Ok(())
}
