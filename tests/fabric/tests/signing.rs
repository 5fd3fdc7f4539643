//! Packages that the publisher signed: as openssl-cms(1) sees them, which is the platform's own way to check them.

mod common;

use anyhow::{Context, Result};
use common::config;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::scenario::Scenario;
use waagent_fabric::signing::{Kind, Publisher};
use waagent_fabric::stamp::Token;

#[test]
fn signs_packages_so_that_openssl_verifies_them_by_the_publishers_root() -> Result<()> {
    let state = tempfile::TempDir::new()?;
    let options = Options { state: Some(state.path().to_path_buf()), ..Options::loopback() };
    let fabric = Fabric::start(Scenario::shipped("signed")?, &options)?;
    let text = String::from_utf8_lossy(&config(&fabric, "ExtensionsConfig", &[])?.body).into_owned();
    let signatures: Vec<&str> = text.split("encodedSignature=\"").skip(1).collect();
    assert_eq!(signatures.len(), 1, "one of the two packages is signed");
    let base64 = signatures[0].split('"').next().context("no end")?;
    let blob = fabric.blob("/packages/Contoso.Orchard.Signed__1.0.0").context("no package")?;
    std::fs::write(state.path().join("package.zip"), &blob)?;
    let der = common::openssl(state.path(), &["base64", "-d", "-A"], base64.as_bytes())?;
    let verify = |root: &str| {
        let arguments =
            ["cms", "-verify", "-binary", "-inform", "der", "-content", "package.zip", "-purpose", "any"];
        common::openssl(state.path(), &[&arguments[..], &["-CAfile", root]].concat(), &der)
    };
    assert_eq!(verify("signing-root.pem")?, blob);
    assert!(verify("ca.pem").is_err(), "storage's authority is no publisher's");
    Ok(())
}

/// By openssl-cms(1): openssl-ts(1) reads no token with an attribute certificate.
#[test]
fn makes_time_stamp_tokens_that_openssl_verifies_by_the_publishers_root() -> Result<()> {
    let folder = tempfile::TempDir::new()?;
    let publisher = Publisher::new()?;
    std::fs::write(folder.path().join("root.pem"), publisher.root.to_pem()?)?;
    let authority = publisher.signer(Kind::Stamps)?;
    let token = Token::new(b"a signature", jiff::Timestamp::now(), &authority)?;
    let verify = |token: &[u8]| {
        let arguments =
            ["cms", "-verify", "-inform", "der", "-purpose", "timestampsign", "-CAfile", "root.pem"];
        common::openssl(folder.path(), &arguments, token)
    };
    assert_eq!(verify(&token.sign(&authority)?)?, token.statement);
    assert!(verify(&token.sign(&publisher.signer(Kind::Good)?)?).is_err(), "for signing code");
    Ok(())
}
