//! vmSettings: the extensions part as the HostGAPlugin tells it ("Fast Track").
//!
//! Names of members come in mixed case and are compared without it. A defect inside one entry of
//! `extensionGoalStates` is that handler's error; one outside refuses the document.

use serde_json::{Map, Value};
use waagent_common::documents::{
    AgentFamily, DependsOn, Extension, ExtensionSettings, ExtensionUris, GoalStateSource, StatusBlob,
};
use waagent_common::json;
use waagent_common::text::{cut, shown};
use waagent_common::types::{ExtensionName, HandlerName, HandlerVersion};

use super::extensions_config::blob_kind;
use super::model::{
    ExtensionsState, MAX_HANDLERS, MAX_INSTANCES, MAX_SETTINGS, MAX_SIGNATURE, correlation, created_on,
    manifests,
};
use super::settings;
use crate::failure::Failure;
use crate::http::StorageUri;

/// What the HostGAPlugin said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VmSettings {
    /// The host is new enough for this channel.
    pub(crate) supported: bool,
    /// They came by Fast Track, and not as a copy of the WireServer's.
    pub(crate) is_fast_track: bool,
    /// The extensions part.
    pub(crate) state: ExtensionsState,
}

type Object = Map<String, Value>;

/// Parses vmSettings that came with this ETag.
pub(crate) fn parse(bytes: &[u8], etag: &str) -> Result<VmSettings, Failure> {
    let json: Value = json::read(bytes, json::MAX_DEPTH)
        .map_err(|error| Failure::nonsense(format!("vmSettings: {error}")))?;
    let Value::Object(root) = json else { return Err(Failure::nonsense("vmSettings: no JSON object")) };
    read(&root, etag).map_err(|why| Failure::nonsense(format!("vmSettings: {why}")))
}

fn read(root: &Object, etag: &str) -> Result<VmSettings, Failure> {
    let version = text(root, "hostGAPluginVersion")?.unwrap_or_default();
    let source = text(root, "extensionGoalStatesSource")?.unwrap_or_default();
    let mut state = ExtensionsState {
        id: format!("etag_{etag}"),
        source: GoalStateSource::FastTrack,
        etag: Some(etag.to_owned()),
        created_on: created_on(integer(root, "extensionsLastModifiedTickCount")?),
        activity_id: correlation(text(root, "activityId")?),
        correlation_id: correlation(text(root, "correlationId")?),
        svd_sequence_number: integer(root, "inSvdSeqNo")?.unwrap_or(0),
        status_blob: None,
        profile: None,
        on_hold: boolean(root, "onHold")?.unwrap_or(false),
        required_features: required_features(root)?,
        agent_families: agent_families(root)?,
        extensions: Vec::new(),
        uris: Vec::new(),
        notes: Vec::new(),
    };
    state.status_blob = status_blob(root, &mut state.notes)?;
    for entry in objects(root, "extensionGoalStates", MAX_HANDLERS)? {
        handler(entry, &mut state);
    }
    state.fit();
    Ok(VmSettings { supported: is_supported(version), is_fast_track: source == "FastTrack", state })
}

/// 1.0.8.133 is the first host version whose vmSettings can be relied on.
fn is_supported(version: &str) -> bool {
    HandlerVersion::try_from(version).is_ok_and(|version| version.numbers() >= [1, 0, 8, 133])
}

fn status_blob(root: &Object, notes: &mut Vec<String>) -> Result<Option<StatusBlob>, Failure> {
    let blob = match member(root, "statusUploadBlob") {
        None => return Ok(None),
        Some(Value::Object(blob)) => blob,
        Some(_) => return Err(Failure::nonsense("member 'statusUploadBlob': no object")),
    };
    let uri =
        text(blob, "value")?.ok_or_else(|| Failure::nonsense("member 'statusUploadBlob': no 'value'"))?;
    if let Err(error) = StorageUri::parse(uri, true) {
        notes.push(format!("vmSettings: member 'statusUploadBlob': {error}, ignoring"));
        return Ok(None);
    }
    Ok(Some(StatusBlob { uri: uri.to_owned(), kind: blob_kind(text(blob, "statusBlobType")?) }))
}

fn required_features(root: &Object) -> Result<Vec<String>, Failure> {
    objects(root, "requiredFeatures", 64)?
        .map(|feature| match text(feature, "name")? {
            Some(name) => Ok(cut(name, 256).to_owned()),
            None => Err(Failure::nonsense("member 'requiredFeatures': no 'name'")),
        })
        .collect()
}

fn agent_families(root: &Object) -> Result<Vec<AgentFamily>, Failure> {
    objects(root, "gaFamilies", 64)?
        .map(|family| {
            let name = text(family, "name")?;
            let name = name.ok_or_else(|| Failure::nonsense("member 'gaFamilies': no 'name'"))?;
            Ok(AgentFamily {
                name: cut(name, 64).to_owned(),
                version: text(family, "version")?.map(|version| cut(version, 64).to_owned()),
                is_version_from_rsm: boolean(family, "isVersionFromRSM")?,
                is_vm_enabled_for_rsm_upgrades: boolean(family, "isVMEnabledForRSMUpgrades")?,
            })
        })
        .collect()
}

fn handler(entry: &Object, state: &mut ExtensionsState) {
    let given = text(entry, "name").ok().flatten().unwrap_or_default();
    let version = text(entry, "version").ok().flatten().unwrap_or_default();
    let (name, version) = match (HandlerName::try_from(given), HandlerVersion::try_from(version)) {
        (Ok(name), Ok(version)) => (name, version),
        (Err(why), _) | (_, Err(why)) => {
            state.notes.push(format!("vmSettings: extension '{}': {why}, ignoring it", shown(given)));
            return;
        }
    };
    if state.extensions.iter().any(|known| known.name.as_str().eq_ignore_ascii_case(given)) {
        state.notes.push(format!("vmSettings: extension '{name}' is there twice, ignoring the second"));
        return;
    }
    let uris = locations(entry, given, &mut state.notes);
    state.uris.push(ExtensionUris { name: name.clone(), version: version.clone(), manifests: uris });
    let mut extension = Extension {
        name,
        version,
        state: "".into(),
        encoded_signature: None,
        multi_config: false,
        error: None,
        settings: Vec::new(),
    };
    extension.error = complete(entry, &mut extension).err().map(|failure| failure.text);
    state.extensions.push(extension);
}

fn locations(entry: &Object, name: &str, notes: &mut Vec<String>) -> Vec<String> {
    let one = |key: &str| text(entry, key).ok().flatten();
    let more = match member(entry, "additionalLocations") {
        Some(Value::Array(list)) => list.as_slice(),
        _ => &[],
    };
    let given = [one("location"), one("failoverLocation")].into_iter().flatten();
    manifests(name, given.chain(more.iter().filter_map(Value::as_str)), notes)
}

fn complete(entry: &Object, extension: &mut Extension) -> Result<(), Failure> {
    let state = text(entry, "state")?.unwrap_or_default();
    extension.state = cut(state, 64).into();
    if extension.state.target_state().is_none() {
        return Err(Failure::nonsense(format!(
            "state '{}' is none of enabled, disabled, uninstall",
            shown(state)
        )));
    }
    if let Some(signature) = text(entry, "encodedSignature")?.filter(|text| !text.is_empty()) {
        if signature.len() > MAX_SIGNATURE {
            return Err(Failure::nonsense(format!("package signature of more than {MAX_SIGNATURE} bytes")));
        }
        extension.encoded_signature = Some(signature.to_owned());
    }
    extension.multi_config = boolean(entry, "isMultiConfig")?.unwrap_or(false);
    let all: Vec<&Object> = objects(entry, "settings", MAX_INSTANCES)?.collect();
    if !extension.multi_config && all.len() > 1 {
        return Err(Failure::nonsense("several settings for a single-config extension"));
    }
    for settings in all {
        let one =
            if extension.multi_config { multi_config(settings)? } else { single_config(entry, settings)? };
        if one.name.is_some() && extension.settings.iter().any(|known| known.name == one.name) {
            return Err(Failure::nonsense("an instance is there twice"));
        }
        extension.settings.push(one);
        if let Some(last) = extension.settings.last_mut() {
            fill(last, settings)?;
        }
    }
    depends_on(entry, extension)
}

fn single_config(entry: &Object, _: &Object) -> Result<ExtensionSettings, Failure> {
    let number =
        sequence_number(entry, "settingsSeqNo")?.ok_or_else(|| Failure::nonsense("no 'settingsSeqNo'"))?;
    Ok(settings::empty(None, number))
}

fn multi_config(settings: &Object) -> Result<ExtensionSettings, Failure> {
    let missing = |name: &str| Failure::nonsense(format!("no '{name}'"));
    let name = text(settings, "extensionName")?.ok_or_else(|| missing("extensionName"))?;
    let name = ExtensionName::try_from(name).map_err(Failure::nonsense)?;
    let number = sequence_number(settings, "seqNo")?.ok_or_else(|| missing("seqNo"))?;
    let state = text(settings, "extensionState")?.ok_or_else(|| missing("extensionState"))?;
    let mut one = settings::empty(Some(name), number);
    one.state = cut(state, 64).to_lowercase().as_str().into();
    Ok(one)
}

fn fill(one: &mut ExtensionSettings, settings: &Object) -> Result<(), Failure> {
    if let Some(public) = text(settings, "publicSettings")? {
        if public.len() > MAX_SETTINGS {
            return Err(Failure::nonsense(format!(
                "settings of {} bytes, more than the {MAX_SETTINGS} allowed",
                public.len()
            )));
        }
        one.public_settings = settings::kept(public)?;
    }
    one.protected_settings = text(settings, "protectedSettings")?.map(str::to_owned);
    if one.protected_settings.as_ref().is_some_and(|sealed| sealed.len() > MAX_SETTINGS) {
        one.protected_settings = None;
        return Err(Failure::nonsense(format!(
            "protected settings of more than the {MAX_SETTINGS} bytes allowed"
        )));
    }
    let thumbprint = text(settings, "protectedSettingsCertThumbprint")?;
    one.protected_settings_thumbprint = thumbprint.map(|text| cut(text, 129).to_owned());
    if one.protected_settings.is_some() && thumbprint.is_none() {
        return Err(Failure::nonsense("'protectedSettings' without 'protectedSettingsCertThumbprint'"));
    }
    settings::check_thumbprint(one)
}

fn depends_on(entry: &Object, extension: &mut Extension) -> Result<(), Failure> {
    let all: Vec<&Object> = objects(entry, "dependsOn", MAX_INSTANCES)?.collect();
    if !extension.multi_config && all.len() > 1 {
        return Err(Failure::nonsense(format!(
            "'dependsOn' with {} entries for a single-config extension",
            all.len()
        )));
    }
    for depends in all {
        let level = integer(depends, "dependencyLevel")?.unwrap_or(0);
        let on = dependencies(depends)?;
        let name = if extension.multi_config {
            Some(text(depends, "name")?.ok_or_else(|| Failure::nonsense("'dependsOn' without 'name'"))?)
        } else {
            None
        };
        let settings =
            extension.settings.iter_mut().find(|one| one.name.as_ref().map(ExtensionName::as_str) == name);
        match settings {
            Some(settings) => {
                settings.dependency_level = i32::try_from(level).unwrap_or(i32::MAX);
                settings.depends_on = on;
            }
            None if extension.multi_config => {
                return Err(Failure::nonsense(format!(
                    "'dependsOn' names an unknown instance '{}'",
                    shown(name.unwrap_or_default())
                )));
            }
            // A level without settings means nothing.
            None => {}
        }
    }
    Ok(())
}

fn dependencies(depends: &Object) -> Result<Vec<DependsOn>, Failure> {
    objects(depends, "dependsOnExtension", 256)?
        .map(|one| {
            Ok(DependsOn {
                handler: cut(text(one, "handler")?.unwrap_or_default(), 256).to_owned(),
                extension: text(one, "extension")?.map(|text| cut(text, 256).to_owned()),
            })
        })
        .collect()
}

fn sequence_number(object: &Object, name: &str) -> Result<Option<u32>, Failure> {
    match integer(object, name)? {
        None => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| Failure::nonsense(format!("'{name}': {number} is out of range"))),
    }
}

/// A member by name, whatever its case; `null` counts as absent.
fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .filter(|v| !v.is_null())
}

fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, Failure> {
    match member(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::nonsense(format!("member '{name}': no text"))),
    }
}

fn integer(object: &Object, name: &str) -> Result<Option<i64>, Failure> {
    match member(object, name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_i64()),
        Some(_) => Err(Failure::nonsense(format!("member '{name}': no number"))),
    }
}

fn boolean(object: &Object, name: &str) -> Result<Option<bool>, Failure> {
    match member(object, name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Failure::nonsense(format!("member '{name}': neither true nor false"))),
    }
}

fn objects<'a>(
    object: &'a Object,
    name: &'a str,
    max: usize,
) -> Result<impl Iterator<Item = &'a Object>, Failure> {
    let list = match member(object, name) {
        None => &[][..],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => return Err(Failure::nonsense(format!("member '{name}': no array"))),
    };
    if list.len() > max {
        return Err(Failure::nonsense(format!("member '{name}': more than {max} entries")));
    }
    if list.iter().any(|entry| !entry.is_object()) {
        return Err(Failure::nonsense(format!("member '{name}': an entry that is no object")));
    }
    Ok(list.iter().filter_map(Value::as_object))
}
