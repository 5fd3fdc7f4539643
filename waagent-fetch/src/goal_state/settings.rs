//! The JSON text inside a settings element.

use waagent_common::documents::{DependsOn, ExtensionSettings, TargetState};
use waagent_common::json::{self, JsonText};
use waagent_common::types::ExtensionName;

use super::model::MAX_SETTINGS;
use crate::failure::Failure;

/// Settings without content: what an extension gets whose text is no JSON.
pub(crate) fn empty(name: Option<ExtensionName>, sequence_number: u32) -> ExtensionSettings {
    ExtensionSettings {
        name,
        sequence_number,
        state: TargetState::Enabled.into(),
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
pub(crate) fn fill(settings: &mut ExtensionSettings, text: &str) -> Result<(), Failure> {
    if text.len() > MAX_SETTINGS {
        return Err(Failure::nonsense(format!(
            "settings of {} bytes, more than the {MAX_SETTINGS} allowed",
            text.len()
        )));
    }
    let list = json::check(text).and_then(|()| json::members(text, ["runtimeSettings"]));
    let Ok([list]) = list else {
        settings.unreadable = true;
        return Ok(());
    };
    let first = list.and_then(|list| json::first(list).ok());
    let first = first.ok_or_else(|| Failure::nonsense("settings without 'runtimeSettings'"))?;
    let first = first.ok_or_else(|| Failure::nonsense("settings with an empty 'runtimeSettings'"))?;
    let members =
        json::members(first, ["handlerSettings"]).ok().and_then(|[handler]| handler).and_then(|handler| {
            let names = ["publicSettings", "protectedSettings", "protectedSettingsCertThumbprint"];
            json::members(handler, names).ok()
        });
    let [public, sealed, thumbprint] =
        members.ok_or_else(|| Failure::nonsense("settings without 'handlerSettings'"))?;
    settings.public_settings = public.map(kept).transpose()?.flatten();
    settings.protected_settings = text_of(sealed, "protectedSettings")?;
    settings.protected_settings_thumbprint = text_of(thumbprint, "protectedSettingsCertThumbprint")?;
    check_thumbprint(settings)
}

/// Public settings as they came; `null` is none.
pub(crate) fn kept(text: &str) -> Result<Option<JsonText>, Failure> {
    if text.trim() == "null" {
        return Ok(None);
    }
    let kept = JsonText::try_from(text.to_owned());
    kept.map(Some).map_err(|error| Failure::nonsense(format!("'publicSettings' is no JSON: {error}")))
}

fn text_of(value: Option<&str>, name: &str) -> Result<Option<String>, Failure> {
    match value {
        None | Some("null") => Ok(None),
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|_| Failure::nonsense(format!("settings with a '{name}' that is no text"))),
    }
}

/// The bound of the document; a longer one is no thumbprint of any kind.
pub(crate) fn check_thumbprint(settings: &ExtensionSettings) -> Result<(), Failure> {
    match &settings.protected_settings_thumbprint {
        Some(text) if text.len() > 128 => {
            Err(Failure::nonsense("settings with a thumbprint of more than 128 bytes"))
        }
        _ => Ok(()),
    }
}
