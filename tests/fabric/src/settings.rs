//! Extension settings as the platform hands them out: public ones in clear, protected ones sealed to a
//! certificate of the machine.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cms::{ContentCipher, Envelope};
use crate::identity::Identities;
use crate::scenario::{ExtensionSpec, PfxKind, SettingsSpec};

/// A handler with its settings sealed.
#[derive(Clone, Debug)]
pub struct SealedExtension {
    /// What the scenario says.
    pub spec: ExtensionSpec,
    /// Single-config: at most one; multi-config: one per instance.
    pub settings: Vec<SealedSettings>,
}

/// One set of settings, sealed.
#[derive(Clone, Debug)]
pub struct SealedSettings {
    /// What the scenario says.
    pub spec: SettingsSpec,
    /// JSON text.
    pub public: Option<String>,
    /// Base64 of the envelope, and the thumbprint of the certificate.
    pub protected: Option<(String, String)>,
}

impl SealedExtension {
    /// Whether this is a multi-config handler.
    pub fn is_multi_config(&self) -> bool {
        !self.spec.instance.is_empty()
    }
}

impl SealedSettings {
    /// Text of `RuntimeSettings` in ExtensionsConfig.
    pub fn runtime_settings(&self) -> String {
        if let Some(raw) = &self.spec.raw {
            return raw.clone();
        }
        let public = self.public.as_deref().unwrap_or("null");
        let (protected, thumbprint) = match &self.protected {
            Some((data, thumbprint)) => (json!(data), json!(thumbprint)),
            None => (Value::Null, Value::Null),
        };
        format!(
            "{{\"runtimeSettings\": [{{\"handlerSettings\": {{\"publicSettings\": {public}, \
             \"protectedSettings\": {protected}, \"protectedSettingsCertThumbprint\": {thumbprint}}}}}]}}"
        )
    }
}

/// Seals the settings of a set of extensions.
pub fn seal_all(
    extensions: &[ExtensionSpec],
    identities: &Identities,
    kind: PfxKind,
) -> Result<Vec<SealedExtension>> {
    extensions
        .iter()
        .map(|spec| {
            let all = spec.settings.iter().chain(&spec.instance);
            let settings: Result<_> = all.map(|settings| seal(settings, identities, kind)).collect();
            Ok(SealedExtension {
                spec: spec.clone(),
                settings: settings.with_context(|| format!("extension '{}'", spec.name))?,
            })
        })
        .collect()
}

fn seal(spec: &SettingsSpec, identities: &Identities, kind: PfxKind) -> Result<SealedSettings> {
    let protected = match &spec.protected {
        Some(clear) => {
            let identity = identities.get(&spec.certificate).context("no such certificate")?;
            let cipher = match kind {
                PfxKind::TripleDes => ContentCipher::TripleDes,
                PfxKind::Aes256 => ContentCipher::Aes256,
            };
            let envelope = Envelope::for_settings(cipher);
            let der = envelope.seal(&identity.certificate, text(clear).as_bytes())?;
            Some((STANDARD.encode(der), identity.thumbprint()?))
        }
        None => None,
    };
    Ok(SealedSettings { spec: spec.clone(), public: spec.public.as_ref().map(text), protected })
}

/// A text in the scenario is JSON already; anything else becomes JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
