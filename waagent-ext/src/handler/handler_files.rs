//! The files by which the agent speaks to a handler: environment, settings, state, status.

use serde_json::{Value, json};
use waagent_common::documents::{ExtensionSettings, HandlerRecord, HandlerState};
use waagent_common::fault::Fault;
use waagent_common::folder::Folder;
use waagent_common::json::JsonText;

use super::folder::replace;
use super::paths::HandlerPaths;
use crate::python_json::{dumps, respell, string};

/// Settings and status files of older sequence numbers that are kept, of each kind.
const KEPT: usize = 10;

/// Makes the folders of the contract, and `HandlerEnvironment.json` where it isn't what it should be.
pub fn prepare(home: &HandlerPaths) -> Result<(), Fault> {
    let base = home.open()?;
    base.make("config", 0o700)?;
    base.make("status", 0o700)?;
    let logs = super::command_log::folder(home)?;
    logs.make("events", 0o700)?;
    let wanted = environment(home);
    let is =
        base.read("HandlerEnvironment.json", 64 << 10).is_ok_and(|(bytes, _)| bytes == wanted.as_bytes());
    if is { Ok(()) } else { replace(&base, "HandlerEnvironment.json", wanted.as_bytes(), 0o644, true) }
}

/// The bytes of `HandlerEnvironment.json`.
pub fn environment(home: &HandlerPaths) -> String {
    let below =
        |path: &std::path::Path, name: &str| Value::String(path.join(name).to_string_lossy().into_owned());
    let events = below(home.logs(), "events");
    // Version is a number to published handlers, and must be written 1.0; logFolder mustn't be the last member.
    let version: Value = serde_json::from_str("1.0").unwrap_or(Value::Null);
    dumps(&json!([{
        "name": home.name.as_str(),
        "version": version,
        "handlerEnvironment": {
            "logFolder": home.logs().to_string_lossy(),
            "configFolder": below(home.base(), "config"),
            "statusFolder": below(home.base(), "status"),
            "heartbeatFile": below(home.base(), "heartbeat.log"),
            "eventsFolder": events,
            "eventsFolder_preview": events,
        }
    }]))
}

/// Writes the settings file: always anew, since handlers without the variable take the newest file.
pub fn write_settings(
    home: &HandlerPaths,
    settings: Option<&ExtensionSettings>,
    thumbprint: Option<&str>,
) -> Result<(), Fault> {
    let config = home.open()?.make("config", 0o700)?;
    match settings {
        None => replace(&config, "0.settings", b"", 0o600, true)?,
        Some(settings) => {
            let name = format!("{}.settings", settings.sequence_number);
            replace(&config, &name, runtime_settings(settings, thumbprint).as_bytes(), 0o600, true)?;
        }
    }
    let current = settings.map_or(0, |settings| settings.sequence_number);
    thin_out(&config, ".settings", current);
    if let Some(status) = home.status() {
        thin_out(&status, ".status", current);
    }
    Ok(())
}

/// The bytes of a settings file. `thumbprint` is the spelling that there is a file for.
pub fn runtime_settings(settings: &ExtensionSettings, thumbprint: Option<&str>) -> String {
    let readable = Some(settings).filter(|settings| !settings.unreadable);
    let public = readable.and_then(|settings| settings.public_settings.as_ref());
    let sealed = readable.and_then(|settings| settings.protected_settings.as_deref());
    let mut out = String::from(r#"{"runtimeSettings": [{"handlerSettings": {"publicSettings": "#);
    respell(&mut out, public.map_or("null", JsonText::as_str));
    for (name, value) in
        [("protectedSettings", sealed), ("protectedSettingsCertThumbprint", readable.and(thumbprint))]
    {
        out.push_str(", ");
        string(&mut out, name);
        out.push_str(": ");
        match value {
            Some(text) => string(&mut out, text),
            None => out.push_str("null"),
        }
    }
    out.push_str("}}]}");
    out
}

/// Writes `HandlerState` and `HandlerStatus`, for extensions, support tools and agents to come. We never trust them.
pub fn write_marks(home: &HandlerPaths, record: &HandlerRecord) -> Result<(), Fault> {
    let config = home.open()?.make("config", 0o700)?;
    let word = match record.state {
        HandlerState::Installed => "Installed",
        HandlerState::Enabled => "Enabled",
        HandlerState::FailedUpgrade => "FailedUpgrade",
        _ => "NotInstalled",
    };
    replace(&config, "HandlerState", word.as_bytes(), 0o600, false)?;
    let status = dumps(&json!({
        "name": record.name.as_str(), "version": home.version.as_str(),
        "status": record.status.status, "code": record.status.code,
        "message": record.status.message, "supports_multi_config": false, "extension_status": Value::Null,
    }));
    replace(&config, "HandlerStatus", status.as_bytes(), 0o600, false)
}

/// Says to other tools that the package's signature was verified. We never trust it.
pub fn mark_validated(home: &HandlerPaths) -> Result<(), Fault> {
    replace(&home.open()?, "package_validated", b"", 0o600, false)
}

/// Removes the oldest `<number><suffix>` files beyond the newest ten and the current one.
fn thin_out(folder: &Folder, suffix: &str, current: u32) {
    let mut numbered: Vec<(std::time::SystemTime, String)> = folder
        .names(10_000)
        .into_iter()
        .filter(|name| {
            name.strip_suffix(suffix).is_some_and(|n| n.parse::<u32>().is_ok_and(|number| number != current))
        })
        .filter_map(|name| Some((folder.open_regular(&name).ok()?.metadata().ok()?.modified().ok()?, name)))
        .collect();
    numbered.sort();
    let surplus = numbered.len().saturating_sub(KEPT);
    for (_, name) in numbered.into_iter().take(surplus) {
        if let Err(error) = folder.remove(&name) {
            let path = folder.path().join(&name);
            waagent_common::log::warning(&format!("cannot remove '{}': {error}, ignoring", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use waagent_common::root::Root;
    use waagent_common::types::{HandlerName, HandlerVersion};

    use super::*;

    fn settings() -> ExtensionSettings {
        ExtensionSettings {
            name: None,
            sequence_number: 3,
            state: "enabled".into(),
            dependency_level: 0,
            depends_on: Vec::new(),
            public_settings: Some(
                JsonText::try_from(r#"{"z":1.0,"a":"é","n":18446744073709551617.10}"#.to_owned()).unwrap(),
            ),
            protected_settings: Some("MIIB".to_owned()),
            protected_settings_thumbprint: Some("AB".to_owned()),
            unreadable: false,
        }
    }

    #[test]
    fn settings_have_pythons_bytes_and_all_three_members() {
        assert_eq!(
            runtime_settings(&settings(), Some("AB")),
            r#"{"runtimeSettings": [{"handlerSettings": {"publicSettings": {"z": 1.0, "a": "\u00e9", "n": 18446744073709551617.10}, "protectedSettings": "MIIB", "protectedSettingsCertThumbprint": "AB"}}]}"#
        );
        let bare = ExtensionSettings { public_settings: None, protected_settings: None, ..settings() };
        let nulls = r#"{"runtimeSettings": [{"handlerSettings": {"publicSettings": null, "protectedSettings": null, "protectedSettingsCertThumbprint": null}}]}"#;
        assert_eq!(runtime_settings(&bare, None), nulls);
        let unreadable = ExtensionSettings { unreadable: true, ..settings() };
        assert_eq!(runtime_settings(&unreadable, Some("AB")), nulls);
    }

    #[test]
    fn the_environment_has_the_bytes_that_shims_look_for() {
        let name = HandlerName::try_from("Microsoft.Azure.Extensions.CustomScript").unwrap();
        let version = HandlerVersion::try_from("2.1.19").unwrap();
        let home = HandlerPaths::new(&Root::new(Path::new("/")), "/var/log/azure", &name, &version);
        assert_eq!(
            environment(&home),
            r#"[{"name": "Microsoft.Azure.Extensions.CustomScript", "version": 1.0, "handlerEnvironment": {"logFolder": "/var/log/azure/Microsoft.Azure.Extensions.CustomScript", "configFolder": "/var/lib/waagent/Microsoft.Azure.Extensions.CustomScript-2.1.19/config", "statusFolder": "/var/lib/waagent/Microsoft.Azure.Extensions.CustomScript-2.1.19/status", "heartbeatFile": "/var/lib/waagent/Microsoft.Azure.Extensions.CustomScript-2.1.19/heartbeat.log", "eventsFolder": "/var/log/azure/Microsoft.Azure.Extensions.CustomScript/events", "eventsFolder_preview": "/var/log/azure/Microsoft.Azure.Extensions.CustomScript/events"}}]"#
        );
    }
}
