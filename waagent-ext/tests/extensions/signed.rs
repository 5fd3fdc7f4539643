//! Packages that must be signed: what the platform is told, and that not a byte of a refused one is unpacked or run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use openssl::base64::encode_block;
use waagent_common::documents::{
    Document, Extension, ExtensionState, HandlerRecord, Plan, SignatureVerdict, Wanted,
};
use waagent_common::time::now_seconds;
use waagent_fabric::signing::{Kind, Publisher, Signer};

use crate::stage::{GOOD, Handler, Stage, extension};

const DEMAND: &str = r#"{"policyVersion": "0.1.0", "extensionPolicies": {"signatureRequired": true,
    "extensions": {"Test.Open": {"signatureRequired": false}}}}"#;

struct Market {
    stage: Stage,
    publisher: Publisher,
    signer: Signer,
}

impl Market {
    /// A machine that trusts a publisher, and a time stamp authority below the same root.
    fn new() -> Self {
        let publisher = Publisher::new().unwrap();
        let signer = publisher.signer(Kind::Good).unwrap();
        let stage = Stage::new();
        fs::create_dir_all(stage.root.path("/usr/share/waagent")).unwrap();
        for roots in ["signing-roots.pem", "timestamp-roots.pem"] {
            let roots = stage.root.path("/usr/share/waagent").join(roots);
            fs::write(roots, publisher.root.to_pem().unwrap()).unwrap();
        }
        Self { stage, publisher, signer }
    }

    fn demand(self) -> Self {
        fs::write(self.stage.root.path("/etc/waagent.conf"), "Debug.EnableExtensionPolicy=y\n").unwrap();
        fs::write(self.stage.root.path("/etc/waagent_policy.json"), DEMAND).unwrap();
        self
    }

    fn sign(&self, package: &[u8]) -> String {
        encode_block(&self.signer.sign(package).unwrap())
    }

    /// The handler, offered and asked for, with this signature.
    fn ask(&self, number: u32, handler: &Handler, signature: impl Into<Option<String>>) {
        self.stage.offer(handler);
        self.stage
            .goal(number, vec![Extension { encoded_signature: signature.into(), ..handler.extension() }]);
        self.stage.settle();
    }

    fn refused(&self, handler: &Handler, why: &str) {
        let entry = self.stage.handler(&handler.name);
        assert_eq!((&entry["status"], &entry["code"]), (&"NotReady".into(), &1005.into()), "{why}");
        let message = entry["formattedMessage"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        let own = self.stage.own(&handler.name);
        assert_eq!((&own["status"], &own["code"]), (&"error".into(), &1005.into()), "{own}");
        assert!(!self.stage.base(handler).exists());
        assert_eq!(self.stage.operations(), "");
        let left: Vec<_> = fs::read_dir(self.stage.root.state_path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(&handler.name))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }

    fn record(&self) -> HandlerRecord {
        let state = Document::<ExtensionState>::read(&self.stage.root).unwrap().body;
        state.handlers.into_iter().next().unwrap()
    }
}

fn handler() -> Handler {
    Handler::new("Test.Signed", GOOD).signed_for("test", "SIGNED", "1.0.0")
}

#[test]
fn runs_what_the_publisher_signed_and_records_who_it_was() {
    let market = Market::new().demand();
    let handler = handler();
    market.ask(1, &handler, market.sign(&handler.zip()));
    assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready");
    assert!(market.stage.operations().contains("enable 0"));
    let mark = market.stage.base(&handler).join("package_validated");
    assert_eq!(fs::metadata(mark).unwrap().permissions().mode() & 0o777, 0o600);
    let signature = market.record().signature.unwrap();
    assert_eq!(signature.verdict, SignatureVerdict::Verified);
    assert!(signature.signer.unwrap().contains("Orchard Extensions"));
    assert_eq!(signature.time.as_deref(), Some("unchecked"));
    assert_eq!(Some(signature.sha256), market.record().package_sha256);
    let plan: Plan = market.stage.document();
    assert_eq!(plan.steps[0].rule, "not excluded by the policy file, package must be signed");
}

#[test]
fn runs_what_was_stamped_too_and_records_when_that_was() {
    let market = Market::new().demand();
    let handler = handler();
    let authority = market.publisher.signer(Kind::Stamps).unwrap();
    let before = now_seconds();
    let signature = market.signer.sign_stamped(&handler.zip(), &authority).unwrap();
    market.ask(1, &handler, encode_block(&signature));
    assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready");
    let signature = market.record().signature.unwrap();
    assert_eq!(signature.verdict, SignatureVerdict::Verified);
    let stamped = signature.time.unwrap();
    assert!(before <= stamped && stamped <= now_seconds(), "{before} {stamped}");
}

#[test]
fn an_installed_package_that_was_verified_is_enabled_without_another_look() {
    let market = Market::new().demand();
    let handler = handler();
    market.ask(1, &handler, market.sign(&handler.zip()));
    // The platform's older interface knows no signatures.
    market.stage.goal(2, vec![handler.extension()]);
    market.stage.settle();
    assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready");
    assert_eq!(market.stage.operations().matches("enable").count(), 2);
}

#[test]
fn refuses_a_package_without_a_signature_and_does_not_even_ask_for_it() {
    let market = Market::new().demand();
    let handler = handler();
    market.ask(1, &handler, None);
    market.refused(&handler, "package signature required by policy but the goal state has none");
    assert_eq!(market.stage.document::<Wanted>().packages, []);
    let open = Handler::new("Test.Open", GOOD);
    market.ask(2, &open, None);
    assert_eq!(market.stage.handler("Test.Open")["status"], "Ready");
}

#[test]
fn refuses_a_signature_that_is_not_the_packages() {
    for (what, why) in [
        ("another zip", "package signature invalid: it doesn't fit the package"),
        ("a stranger's", "isn't to be trusted"),
        ("a server's", "isn't for signing code"),
        ("malformed", "package signature invalid: it is no CMS"),
        ("oversized", "package signature invalid: it is over 32768 bytes"),
    ] {
        let market = Market::new().demand();
        let handler = handler();
        let by = |signer: &Signer| encode_block(&signer.sign(&handler.zip()).unwrap());
        let signature = match what {
            "another zip" => market.sign(b"PK"),
            "a stranger's" => by(&Publisher::new().unwrap().signer(Kind::Good).unwrap()),
            "a server's" => by(&market.publisher.signer(Kind::Server).unwrap()),
            "malformed" => "TUlJ".to_owned(),
            _ => "TUlJ".repeat(8193),
        };
        market.ask(1, &handler, signature);
        market.refused(&handler, why);
    }
}

/// The publisher's own package, but of another handler or another version.
#[test]
fn refuses_a_signed_package_under_another_name_or_version() {
    for (other, why) in [
        (
            Handler::new("Test.Signed", GOOD).signed_for("Test", "Other", "1.0.0"),
            "signingInfo.type is 'Other', expected 'Signed'",
        ),
        (
            Handler::new("Test.Signed", GOOD).signed_for("Rest", "Signed", "1.0.0"),
            "signingInfo.publisher is 'Rest', expected 'Test'",
        ),
        (
            Handler::new("Test.Signed", GOOD).signed_for("Test", "Signed", "0.9.0"),
            "signingInfo.version is '0.9.0', expected '1.0.0'",
        ),
        (
            Handler::new("Test.Signed", GOOD),
            "HandlerManifest.json signingInfo.type is 'missing', expected 'Signed'",
        ),
    ] {
        let market = Market::new().demand();
        market.ask(1, &other, market.sign(&other.zip()));
        market.refused(&other, why);
    }
}

/// What the fetcher puts there after the document was written is seen: size and digest are of the copy.
#[test]
fn refuses_a_package_that_was_changed_behind_its_document() {
    let market = Market::new().demand();
    let good = handler();
    let evil =
        Handler::new("Test.Signed", "#!/bin/sh\nid > ../operations\n").signed_for("Test", "Signed", "1.0.0");
    market.stage.offer(&good);
    fs::write(market.stage.root.state_path("fetch/packages/Test.Signed-1.0.0.zip"), evil.zip()).unwrap();
    let asked = Extension { encoded_signature: Some(market.sign(&good.zip())), ..good.extension() };
    market.stage.goal(1, vec![asked]);
    market.stage.settle();
    assert_eq!(market.stage.handler("Test.Signed")["code"], 1004);
    assert_eq!(market.stage.operations(), "");
    // With a document that fits, it is the signature that doesn't.
    let market = Market::new().demand();
    market.ask(1, &evil, market.sign(&good.zip()));
    market.refused(&evil, "it doesn't fit the package");
}

/// Storage, or who is on the way to it, gives other bytes than the publisher's.
#[test]
fn refuses_a_package_that_is_not_what_was_signed_also_without_a_demand() {
    let market = Market::new();
    let handler = handler();
    market.ask(1, &handler, market.sign(b"PK"));
    market.refused(&handler, "package signature invalid: it doesn't fit the package");
    market.refused(&handler, "Extensions.BadSignature=warn");
    // Nor where this machine trusts no publisher.
    let market = Market::new();
    fs::remove_file(market.stage.root.path("/usr/share/waagent/signing-roots.pem")).unwrap();
    market.ask(1, &handler, market.sign(b"PK"));
    market.refused(&handler, "it doesn't fit the package");
}

#[test]
fn records_such_a_package_and_runs_it_where_the_configuration_says_so() {
    let market = Market::new();
    fs::write(market.stage.root.path("/etc/waagent.conf"), "Extensions.BadSignature=warn\n").unwrap();
    let handler = handler();
    market.ask(1, &handler, market.sign(b"PK"));
    assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready");
    let signature = market.record().signature.unwrap();
    assert_eq!(signature.verdict, SignatureVerdict::Refused);
    assert!(signature.why.unwrap().contains("doesn't fit"));
    assert!(!market.stage.base(&handler).join("package_validated").exists());
}

/// A signature that nobody can judge says nothing against its package.
#[test]
fn without_a_demand_what_is_only_unknown_is_recorded_and_blocks_nothing() {
    let handler = handler();
    let by = |signer: &Signer| encode_block(&signer.sign(&handler.zip()).unwrap());
    for what in ["a stranger's", "a server's", "malformed"] {
        let market = Market::new();
        let signature = match what {
            "a stranger's" => by(&Publisher::new().unwrap().signer(Kind::Good).unwrap()),
            "a server's" => by(&market.publisher.signer(Kind::Server).unwrap()),
            _ => "TUlJ".to_owned(),
        };
        market.ask(1, &handler, signature);
        assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready", "{what}");
        assert_eq!(market.record().signature.unwrap().verdict, SignatureVerdict::Refused, "{what}");
    }
}

/// Installed before the demand: its commands aren't run any more, but for those that end it.
#[test]
fn a_later_demand_stops_what_was_never_verified_and_lets_it_be_removed() {
    let market = Market::new();
    let handler = handler();
    market.ask(1, &handler, None);
    let market = market.demand();
    market.stage.goal(2, vec![handler.extension()]);
    market.stage.settle();
    let entry = market.stage.handler("Test.Signed");
    assert_eq!(entry["code"], 1005);
    assert!(
        entry["formattedMessage"]["message"]
            .as_str()
            .unwrap()
            .contains("remove the extension and add it again")
    );
    assert_eq!(market.stage.operations().matches("enable").count(), 1);
    market
        .stage
        .goal(3, vec![Extension { state: "uninstall".into(), ..extension("Test.Signed", "1.0.0", None) }]);
    market.stage.settle();
    assert!(market.stage.operations().contains("uninstall"));
    assert!(!market.stage.base(&handler).exists());
}

#[test]
fn an_update_to_a_signed_version_replaces_what_was_never_verified() {
    let market = Market::new();
    market.ask(1, &handler(), None);
    let market = market.demand();
    let new = Handler::new("Test.Signed", GOOD).version("2.0.0").signed_for("Test", "Signed", "2.0.0");
    market.ask(2, &new, market.sign(&new.zip()));
    assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready");
    assert_eq!(market.stage.handler("Test.Signed")["handlerVersion"], "2.0.0");
    assert_eq!(market.record().signature.unwrap().verdict, SignatureVerdict::Verified);
}

#[test]
fn the_configuration_alone_demands_signatures_of_all() {
    let market = Market::new();
    fs::write(market.stage.root.path("/etc/waagent.conf"), "Debug.EnableSignatureValidation=y\n").unwrap();
    let open = Handler::new("Test.Open", GOOD);
    market.ask(1, &open, None);
    market.refused(&open, "the goal state has none");
    let signed = handler();
    market.ask(2, &signed, market.sign(&signed.zip()));
    assert_eq!(market.stage.handler("Test.Signed")["status"], "Ready");
}

#[test]
fn trusts_nobody_whose_roots_others_may_write() {
    let market = Market::new().demand();
    let roots = market.stage.root.path("/usr/share/waagent/signing-roots.pem");
    fs::set_permissions(roots, fs::Permissions::from_mode(0o666)).unwrap();
    let handler = handler();
    market.ask(1, &handler, market.sign(&handler.zip()));
    market.refused(&handler, "others than root may write '/usr/share/waagent/signing-roots.pem'");
}
