//! The extension policy file: which extensions the administrator allows.

use serde_json::{Map, Value};
use waagent_common::config::{Config, SwitchKey, TextKey};
use waagent_common::durable::read_with_owner;
use waagent_common::fault::{Exit, Fault};
use waagent_common::json;
use waagent_common::root::Root;
use waagent_common::text::shown;

/// Largest policy file, in bytes.
const MAX: u64 = 1 << 20;
/// Newest version of the file's format that is known.
const VERSION: [u64; 3] = [0, 1, 0];

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExtensionPolicy {
    /// The configuration doesn't ask for one.
    Everything,
    /// The file can't be used: nothing is processed.
    Nothing(String),
    /// The file's rules.
    Rules {
        /// Its path, for messages.
        path: String,
        /// Only those in the list?
        listed_only: bool,
        /// Must packages be signed, unless the list says otherwise?
        signed: bool,
        /// Names in lower case, each with its own word about signatures.
        listed: Vec<(String, Option<bool>)>,
    },
}

impl ExtensionPolicy {
    /// Reads the file, if `Debug.EnableExtensionPolicy=y`. It fails closed: a policy that is asked for and isn't there
    /// allows nothing.
    pub(crate) fn read(root: &Root, config: &Config) -> Self {
        if !config.switch(SwitchKey::DebugEnableExtensionPolicy) {
            return Self::Everything;
        }
        let path = root.path(config.text(TextKey::PolicyPolicyFilePath));
        let shown_path = path.display().to_string();
        let invalid = |why: &str| {
            Self::Nothing(format!(
                "Customer-provided policy file ('{shown_path}') is invalid, please correct the following error: {why}"
            ))
        };
        match read_with_owner(&path, MAX) {
            Err(fault) if fault.exit == Exit::NoInput => Self::Nothing(format!(
                "Customer-provided policy file ('{shown_path}') is missing, but Debug.EnableExtensionPolicy=y asks for \
                 it; write it, or set the key to n"
            )),
            Err(fault) => invalid(&fault.text),
            Ok((_, owner)) if owner.uid != 0 || owner.mode & 0o022 != 0 => {
                invalid("others than root may write it")
            }
            Ok((bytes, _)) => parse(&bytes, &shown_path).unwrap_or_else(|fault| invalid(&fault.text)),
        }
    }

    /// Why this extension isn't allowed to be run (or uninstalled); none: it is.
    pub(crate) fn objection(&self, name: &str, verb: &str) -> Option<String> {
        let (path, listed) = match self {
            Self::Everything | Self::Rules { listed_only: false, .. } => return None,
            Self::Nothing(why) => return Some(why.clone()),
            Self::Rules { path, listed, .. } => (path, listed),
        };
        if listed.iter().any(|(listed, _)| *listed == name.to_lowercase()) {
            return None;
        }
        Some(format!(
            "failed to {verb} extension '{name}' because it is not specified as an allowed extension. To {verb}, add \
             the extension to the list of allowed extensions in the policy file ('{path}')."
        ))
    }

    /// Must packages of this extension be signed?
    pub(crate) fn demands_signature(&self, name: &str) -> bool {
        let Self::Rules { signed, listed, .. } = self else { return false };
        let own = listed.iter().rfind(|(listed, _)| *listed == name.to_lowercase());
        own.and_then(|(_, own)| *own).unwrap_or(*signed)
    }

    /// The rule that lets extensions through, for the plan.
    pub(crate) fn rule(&self) -> &'static str {
        match self {
            Self::Rules { listed_only: true, .. } => "listed in the policy file",
            Self::Rules { .. } => "not excluded by the policy file",
            _ => "no policy",
        }
    }
}

fn parse(bytes: &[u8], path: &str) -> Result<ExtensionPolicy, Fault> {
    let value: Value = json::read(bytes, json::MAX_DEPTH).map_err(|error| {
        Fault::data(format!("policy file does not conform to valid json syntax. {error}"))
    })?;
    let Value::Object(policy) = value else {
        return Err(Fault::data("expected an object describing a Policy"));
    };
    known(&policy, "policy", &["policyVersion", "extensionPolicies"])?;
    let version = match policy.get("policyVersion") {
        None | Some(Value::Null) => return Err(Fault::data("missing required attribute 'policyVersion'")),
        Some(Value::String(version)) => version,
        Some(_) => return Err(Fault::data("invalid type for attribute 'policyVersion'; must be 'string'")),
    };
    check_version(version)?;
    let Some(rules) = object(&policy, "extensionPolicies", "extensionPolicies")? else {
        return Ok(ExtensionPolicy::Rules {
            path: path.to_owned(),
            listed_only: false,
            signed: false,
            listed: Vec::new(),
        });
    };
    known(rules, "extensionPolicies", &["allowListedExtensionsOnly", "signatureRequired", "extensions"])?;
    let mut listed = Vec::new();
    for (name, rule) in object(rules, "extensions", "extensionPolicies.extensions")?.into_iter().flatten() {
        let Value::Object(rule) = rule else {
            return Err(Fault::data(format!(
                "invalid type for attribute 'extensions.{}'; must be 'object'",
                shown(name)
            )));
        };
        known(rule, "extensions", &["signatureRequired", "runtimePolicy"])?;
        let name = name.to_lowercase();
        if listed.iter().any(|(listed, _)| *listed == name) {
            return Err(Fault::data(format!(
                "attribute 'extensions.{}' is there twice, but for the case",
                shown(&name)
            )));
        }
        listed.push((name, switch(rule, "signatureRequired")?));
    }
    Ok(ExtensionPolicy::Rules {
        path: path.to_owned(),
        listed_only: switch(rules, "allowListedExtensionsOnly")?.unwrap_or(false),
        signed: switch(rules, "signatureRequired")?.unwrap_or(false),
        listed,
    })
}

fn check_version(text: &str) -> Result<(), Fault> {
    let bad = || {
        Fault::data(format!(
            "invalid value for attribute 'policyVersion': '{}'; it should be in format 'major[.minor[.patch]]' \
             (e.g., '1', '1.0', '1.0.0')",
            shown(text)
        ))
    };
    let mut numbers = [0; 3];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > numbers.len() {
        return Err(bad());
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        let digits = !part.is_empty() && part.len() <= 10 && part.bytes().all(|b| b.is_ascii_digit());
        *number = part.parse().ok().filter(|_| digits).ok_or_else(bad)?;
    }
    if numbers <= VERSION {
        return Ok(());
    }
    Err(Fault::data(format!(
        "policy version '{text}' is not supported. The agent supports policy versions up to '0.1.0'."
    )))
}

fn known(object: &Map<String, Value>, at: &str, names: &[&str]) -> Result<(), Fault> {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Fault::data(format!("unrecognized attribute '{}' in {at}", shown(name)))),
        None => Ok(()),
    }
}

fn object<'a>(
    from: &'a Map<String, Value>,
    name: &str,
    path: &str,
) -> Result<Option<&'a Map<String, Value>>, Fault> {
    match from.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Fault::data(format!("invalid type for attribute '{path}'; must be 'object'"))),
    }
}

fn switch(from: &Map<String, Value>, name: &str) -> Result<Option<bool>, Fault> {
    match from.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(Fault::data(format!(
            "invalid type for attribute 'extensionPolicies.{name}'; must be 'boolean'"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<ExtensionPolicy, Fault> {
        parse(text.as_bytes(), "/etc/waagent_policy.json")
    }

    #[test]
    fn allows_what_is_listed_in_any_case() {
        let policy = rules(
            r#"{"policyVersion": "0.1", "extensionPolicies": {"allowListedExtensionsOnly": true,
                "extensions": {"Contoso.Tools": {}, "Contoso.Signed": {"signatureRequired": true, "runtimePolicy": [1]}}}}"#,
        )
        .unwrap();
        assert_eq!(policy.objection("contoso.TOOLS", "run"), None);
        assert!(policy.objection("Other.Thing", "uninstall").unwrap().contains("failed to uninstall"));
        assert_eq!(policy.objection("Contoso.Signed", "run"), None);
        assert!(policy.demands_signature("contoso.signed") && !policy.demands_signature("Contoso.Tools"));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"policyVersion": "1"}"#,
            r#"{"policyVersion": "0.2"}"#,
            r#"{"policyVersion": "x"}"#,
            r#"{"policyVersion": 0}"#,
            r#"{"policyVersion": "0.1", "extra": 1}"#,
            r#"{"policyVersion": "0", "extensionPolicies": {"allowListedExtensionsOnly": "true"}}"#,
            r#"{"policyVersion": "0", "extensionPolicies": {"extensions": []}}"#,
            r#"{"policyVersion": "0", "extensionPolicies": {"extensions": {"A.B": {"x": 1}}}}"#,
            r#"{"policyVersion": "0", "extensionPolicies": {"extensions": {"A.B": {"signatureRequired": true}, "a.b": {}}}}"#,
        ] {
            assert!(rules(bad).is_err(), "{bad}");
        }
        assert!(rules(r#"{"policyVersion": "0", "extensionPolicies": null}"#).is_ok());
    }
}
