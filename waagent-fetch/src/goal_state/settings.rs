//! The JSON text inside a settings element.

use serde_json::{Map, Value};
use waagent_common::documents::{DependsOn, ExtensionSettings};
use waagent_common::types::ExtensionName;

use super::model::MAX_SETTINGS;

/// Settings without content: what an extension gets whose text is no JSON.
pub fn empty(name: Option<ExtensionName>, sequence_number: u32) -> ExtensionSettings {
    ExtensionSettings {
        name,
        sequence_number,
        state: "enabled".to_owned(),
        dependency_level: 0,
        depends_on: Vec::<DependsOn>::new(),
        public_settings: None,
        protected_settings: None,
        protected_settings_thumbprint: None,
        unreadable: false,
    }
}

/// Fills in `{"runtimeSettings": [{"handlerSettings": {...}}]}`.
///
/// Text that is no JSON is no error: the extension runs with three nulls, so that something is reported for its
/// number. JSON of another shape is that extension's error.
pub fn fill(settings: &mut ExtensionSettings, text: &str) -> Result<(), String> {
    if text.len() > MAX_SETTINGS {
        return Err(format!("settings of {} bytes, more than the {MAX_SETTINGS} allowed", text.len()));
    }
    let Ok(Value::Object(mut json)) = serde_json::from_str::<Value>(text) else {
        settings.unreadable = true;
        return Ok(());
    };
    let Some(Value::Array(mut list)) = json.remove("runtimeSettings") else {
        return Err("settings without 'runtimeSettings'".to_owned());
    };
    if list.is_empty() {
        return Err("settings with an empty 'runtimeSettings'".to_owned());
    }
    let handler = match list.swap_remove(0) {
        Value::Object(mut first) => first.remove("handlerSettings"),
        _ => None,
    };
    let Some(Value::Object(mut handler)) = handler else {
        return Err("settings without 'handlerSettings'".to_owned());
    };
    settings.public_settings = handler.remove("publicSettings").filter(|public| !public.is_null());
    settings.protected_settings = text_of(&mut handler, "protectedSettings")?;
    settings.protected_settings_thumbprint = text_of(&mut handler, "protectedSettingsCertThumbprint")?;
    check_thumbprint(settings)
}

fn text_of(map: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("settings with a '{name}' that is no text")),
    }
}

/// The bound of the document; a longer one is no thumbprint of any kind.
pub fn check_thumbprint(settings: &ExtensionSettings) -> Result<(), String> {
    match &settings.protected_settings_thumbprint {
        Some(text) if text.len() > 128 => Err("settings with a thumbprint of more than 128 bytes".to_owned()),
        _ => Ok(()),
    }
}
