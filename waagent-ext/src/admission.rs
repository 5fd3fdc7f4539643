//! May this extension be processed at all? Configuration, then the policy file, then what the goal state says of it.

use waagent_common::config::{Config, SwitchKey};
use waagent_common::documents::Extension;
use waagent_common::root::Root;
use waagent_common::text::shown;
use waagent_common::types::HandlerName;

use crate::error::{ExtensionError, code};
use crate::extension_policy::ExtensionPolicy;
use crate::plan::step::{TargetState, target_state_of};

/// Folders of the agent in `<lib>`, which no handler may be called.
const RESERVED: &[&str] = &["events", "history", "net", "fetch", "certs", "disk", "provision", "ext", "logs"];

/// What decides about extensions. Read once: where the policy file changes, the program is started anew.
#[derive(Debug)]
pub(crate) struct Admission {
    enabled: bool,
    configuration: String,
    policy: ExtensionPolicy,
    signed: bool,
}

impl Admission {
    /// Reads the policy file, if the configuration asks for it.
    pub(crate) fn read(root: &Root, config: &Config) -> Self {
        Self {
            enabled: config.switch(SwitchKey::ExtensionsEnabled),
            configuration: root.path("/etc/waagent.conf").display().to_string(),
            policy: ExtensionPolicy::read(root, config),
            signed: config.switch(SwitchKey::DebugEnableSignatureValidation),
        }
    }

    /// The rule that lets the extension through, or why not.
    pub(crate) fn on(
        &self,
        extension: &Extension,
        all: &[Extension],
    ) -> Result<&'static str, ExtensionError> {
        let name = extension.name.as_str();
        let target_state = target_state_of(extension);
        let refused = if matches!(target_state, Ok(TargetState::Enabled) | Err(_)) {
            code::ENABLE
        } else {
            code::DISABLE
        };
        let refuse =
            |text: String| Err(ExtensionError::new(refused, "ExtensionProcessing", text).overriding());
        if !self.enabled {
            return refuse(format!(
                "Extension '{name}' will not be processed since extension processing is disabled. To enable \
                 extension processing, set Extensions.Enabled=y in '{}'",
                self.configuration
            ));
        }
        let verb = if target_state == Ok(TargetState::Enabled) { "run" } else { "uninstall" };
        if let Some(why) = self.policy.objection(name, verb) {
            return refuse(format!("Extension will not be processed: {why}"));
        }
        target_state?;
        check_settings(extension, all)?;
        Ok(self.policy.rule())
    }

    /// Must packages of this extension be signed?
    pub(crate) fn demands_signature(&self, name: &HandlerName) -> bool {
        self.signed || self.policy.demands_signature(name.as_str())
    }
}

fn check_settings(extension: &Extension, all: &[Extension]) -> Result<(), ExtensionError> {
    let name = extension.name.as_str();
    let refuse = |why: &str| {
        let text = format!(
            "Ran into config errors: {why}. \nPlease retry again as another operation with updated settings"
        );
        Err(ExtensionError::new(code::UNKNOWN, "ExtensionProcessing", text))
    };
    if let Some(why) = &extension.error {
        return refuse(why);
    }
    if name.to_ascii_lowercase().starts_with("walinuxagent")
        || RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
        || name.contains("..")
    {
        return refuse(&format!("no handler may be called '{}'", shown(name)));
    }
    if all.iter().filter(|other| other.name.as_str().eq_ignore_ascii_case(name)).count() > 1 {
        return refuse("the handler is listed twice");
    }
    if extension.multi_config {
        return refuse(
            "this agent doesn't process handlers with several named extensions (multi-config) yet",
        );
    }
    if extension.settings.len() > 1 {
        return refuse("several settings for a handler that takes one");
    }
    if extension.settings.iter().any(|settings| settings.sequence_number > 2_147_483_647) {
        return refuse("a sequence number over 2147483647");
    }
    // Handlers make file names of it.
    let is_hex = |text: &str| text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut thumbprints =
        extension.settings.iter().filter_map(|settings| settings.protected_settings_thumbprint.as_deref());
    if let Some(odd) = thumbprints.find(|text| !is_hex(text)) {
        return refuse(&format!("'{}' is no thumbprint of a certificate", shown(odd)));
    }
    Ok(())
}
