//! ExtensionsConfig: the extensions part as the WireServer tells it.
//!
//! A defect of one handler's part is that handler's error, which its status will say; a defect of the whole document
//! refuses it.

use waagent_common::documents::{
    AgentFamily, BlobKind, DependsOn, Extension, ExtensionSettings, ExtensionUris, GoalStateSource,
    StatusBlob,
};
use waagent_common::text::{cut, shown};
use waagent_common::types::{ExtensionName, HandlerName, HandlerVersion};
use waagent_common::xml::Element;

use super::model::{
    ExtensionsState, MAX_HANDLERS, MAX_INSTANCES, MAX_SIGNATURE, correlation, created_on, manifests,
};
use super::settings;
use crate::failure::Failure;
use crate::http::StorageUri;
use crate::xml;

/// Parses an ExtensionsConfig that came with this incarnation.
pub(crate) fn parse(bytes: &[u8], incarnation: &str) -> Result<ExtensionsState, Failure> {
    let root = xml::parse(bytes, "Extensions")
        .map_err(|error| Failure::nonsense(format!("ExtensionsConfig: {error}")))?;
    let mut state = empty(incarnation);
    let metadata = root.at("InVMGoalStateMetaData");
    let attribute = |name: &str| metadata.and_then(|element| element.attribute(name));
    state.created_on = created_on(attribute("createdOnTicks").and_then(|ticks| ticks.trim().parse().ok()));
    state.activity_id = correlation(attribute("activityId"));
    state.correlation_id = correlation(attribute("correlationId"));
    state.status_blob = status_blob(&root, &mut state.notes);
    state.profile = blob(&root, "InVMArtifactsProfileBlob", &mut state.notes);
    state.required_features = required_features(&root)?;
    state.agent_families = agent_families(&root);
    handlers(&root, &mut state)?;
    state.fit();
    Ok(state)
}

/// The state of a machine without ExtensionsConfig.
pub(crate) fn empty(incarnation: &str) -> ExtensionsState {
    ExtensionsState {
        id: format!("incarnation_{incarnation}"),
        source: GoalStateSource::Fabric,
        etag: None,
        created_on: created_on(None),
        activity_id: correlation(None),
        correlation_id: correlation(None),
        // The platform's own agent reports the incarnation, and not `inSvdSeqNo`.
        svd_sequence_number: incarnation.parse().unwrap_or(0),
        status_blob: None,
        profile: None,
        on_hold: false,
        required_features: Vec::new(),
        agent_families: Vec::new(),
        extensions: Vec::new(),
        uris: Vec::new(),
        notes: Vec::new(),
    }
}

fn status_blob(root: &Element, notes: &mut Vec<String>) -> Option<StatusBlob> {
    let uri = blob(root, "StatusUploadBlob", notes)?;
    let kind = root.at("StatusUploadBlob").and_then(|element| element.attribute("statusBlobType"));
    Some(StatusBlob { uri, kind: blob_kind(kind) })
}

/// Everything but a page blob is written like a block blob.
pub(crate) fn blob_kind(text: Option<&str>) -> BlobKind {
    match text {
        Some("PageBlob") => BlobKind::Page,
        _ => BlobKind::Block,
    }
}

fn blob(root: &Element, name: &str, notes: &mut Vec<String>) -> Option<String> {
    let uri = root.text_at(name)?;
    match StorageUri::parse(uri, true) {
        Ok(_) => Some(uri.to_owned()),
        Err(error) => {
            notes.push(format!("ExtensionsConfig: element '{name}': {error}, ignoring"));
            None
        }
    }
}

fn required_features(root: &Element) -> Result<Vec<String>, Failure> {
    let Some(list) = root.at("RequiredFeatures") else { return Ok(Vec::new()) };
    let names: Vec<String> = list
        .all("RequiredFeature")
        .map(|feature| cut(feature.text_at("Name").unwrap_or_default(), 256).to_owned())
        .collect();
    if names.len() > 64 {
        return Err(Failure::nonsense("ExtensionsConfig: element 'RequiredFeatures': more than 64"));
    }
    Ok(names)
}

fn agent_families(root: &Element) -> Vec<AgentFamily> {
    let Some(families) = root.at("GuestAgentExtension/GAFamilies") else { return Vec::new() };
    let text = |family: &Element, name: &str| family.text_at(name).map(|text| cut(text, 64).to_owned());
    let flag = |family: &Element, name: &str| match family.text_at(name) {
        Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    families
        .all("GAFamily")
        .take(64)
        .map(|family| AgentFamily {
            name: text(family, "Name").unwrap_or_default(),
            version: text(family, "Version"),
            is_version_from_rsm: flag(family, "IsVersionFromRSM"),
            is_vm_enabled_for_rsm_upgrades: flag(family, "IsVMEnabledForRSMUpgrades"),
        })
        .collect()
}

fn handlers(root: &Element, state: &mut ExtensionsState) -> Result<(), Failure> {
    let Some(plugins) = root.at("Plugins") else { return Ok(()) };
    if plugins.all("Plugin").count() > MAX_HANDLERS {
        return Err(Failure::nonsense(format!(
            "ExtensionsConfig: element 'Plugins': more than {MAX_HANDLERS}"
        )));
    }
    for plugin in plugins.all("Plugin") {
        let given = plugin.attribute("name").unwrap_or_default();
        let version = plugin.attribute("version").unwrap_or_default();
        let (name, version) = match (HandlerName::try_from(given), HandlerVersion::try_from(version)) {
            (Ok(name), Ok(version)) => (name, version),
            (Err(why), _) | (_, Err(why)) => {
                let note = format!("ExtensionsConfig: plugin '{}': {why}, ignoring it", shown(given));
                state.notes.push(note);
                continue;
            }
        };
        if state.extensions.iter().any(|known| known.name.as_str().eq_ignore_ascii_case(given)) {
            state
                .notes
                .push(format!("ExtensionsConfig: plugin '{name}' is there twice, ignoring the second"));
            continue;
        }
        let uris = locations(plugin, &mut state.notes);
        state.uris.push(ExtensionUris { name: name.clone(), version: version.clone(), manifests: uris });
        state.extensions.push(handler(root, plugin, name, version));
    }
    Ok(())
}

fn locations(plugin: &Element, notes: &mut Vec<String>) -> Vec<String> {
    let more = plugin.at("additionalLocations").map(|list| list.all("additionalLocation").map(Element::text));
    let given = ["location", "failoverlocation"].into_iter().filter_map(|name| plugin.attribute(name));
    manifests(plugin.attribute("name").unwrap_or_default(), given.chain(more.into_iter().flatten()), notes)
}

fn handler(root: &Element, plugin: &Element, name: HandlerName, version: HandlerVersion) -> Extension {
    let mut extension = Extension {
        state: cut(plugin.attribute("state").unwrap_or_default(), 64).into(),
        encoded_signature: None,
        multi_config: false,
        error: None,
        settings: Vec::new(),
        name,
        version,
    };
    extension.error = complete(root, plugin, &mut extension).err().map(|failure| failure.text);
    extension
}

fn complete(root: &Element, plugin: &Element, extension: &mut Extension) -> Result<(), Failure> {
    if extension.state.as_str().is_empty() {
        return Err(Failure::nonsense("Received empty Extensions.Plugins.Plugin.state, failing Handler"));
    }
    // An attribute in most documents; hosts have sent it as an element too.
    let signature = plugin.attribute("encodedSignature").or_else(|| plugin.text_at("encodedSignature"));
    if let Some(signature) = signature.filter(|text| !text.trim().is_empty()) {
        if signature.len() > MAX_SIGNATURE {
            return Err(Failure::nonsense(format!("package signature of more than {MAX_SIGNATURE} bytes")));
        }
        extension.encoded_signature = Some(signature.trim().to_owned());
    }
    match settings_node(root, extension)? {
        None => Ok(()),
        Some(node) => settings_of(node, extension),
    }
}

/// The one settings node of a handler, if it has one.
fn settings_node<'a>(root: &'a Element, extension: &Extension) -> Result<Option<&'a Element>, Failure> {
    let Some(list) = root.at("PluginSettings") else { return Ok(None) };
    let (name, version) = (extension.name.as_str(), extension.version.as_str());
    let nodes: Vec<&Element> = list
        .all("Plugin")
        .filter(|node| node.attribute("name").is_some_and(|known| known.eq_ignore_ascii_case(name)))
        .collect();
    let versions: Vec<&str> =
        nodes.iter().map(|node| node.attribute("version").unwrap_or_default()).collect();
    if versions.iter().any(|known| *known != version) {
        return Err(Failure::nonsense(format!(
            "Extension PluginSettings Version Mismatch! Expected PluginSettings version: {version} for Extension: \
             {name} but found versions: ({})",
            shown(&versions.join(", "))
        )));
    }
    match nodes.as_slice() {
        [] => Ok(None),
        [node] => Ok(Some(node)),
        _ => Err(Failure::nonsense(format!(
            "Multiple plugin settings found for the same extension: {name} and version {version}"
        ))),
    }
}

fn settings_of(node: &Element, extension: &mut Extension) -> Result<(), Failure> {
    let name = extension.name.as_str().to_owned();
    let single: Vec<&Element> = node.all("RuntimeSettings").collect();
    let multi: Vec<&Element> = node.all("ExtensionRuntimeSettings").collect();
    extension.multi_config = !multi.is_empty();
    if !single.is_empty() && !multi.is_empty() {
        return Err(Failure::nonsense(format!(
            "Both RuntimeSettings and ExtensionRuntimeSettings found for the same extension: {name}"
        )));
    }
    if multi.len() > MAX_INSTANCES {
        return Err(Failure::nonsense(format!("more than {MAX_INSTANCES} instances of {name}")));
    }
    match single.as_slice() {
        [] => {}
        [one] => return single_config(node, one, extension),
        _ => {
            return Err(Failure::nonsense(format!(
                "Multiple RuntimeSettings found for the same extension: {name}"
            )));
        }
    }
    for one in multi {
        multi_config(node, one, extension)?;
    }
    Ok(())
}

fn single_config(node: &Element, one: &Element, extension: &mut Extension) -> Result<(), Failure> {
    let mut settings = settings::empty(None, sequence_number(one, extension.name.as_str())?);
    let filled = settings::fill(&mut settings, one.text());
    let depends: Vec<&Element> = node.all("DependsOn").collect();
    if let [depends] = depends.as_slice() {
        dependencies(depends, &mut settings);
    }
    extension.settings.push(settings);
    if depends.len() > 1 {
        return Err(Failure::nonsense(format!(
            "Extension Handler can only have a single dependsOn node for Single config extensions. Found: {}",
            depends.len()
        )));
    }
    filled
}

fn multi_config(node: &Element, one: &Element, extension: &mut Extension) -> Result<(), Failure> {
    let name = one.attribute("name").filter(|name| !name.is_empty()).ok_or_else(|| {
        Failure::nonsense("Extension Name not specified for ExtensionRuntimeSettings for MultiConfig!")
    })?;
    let instance = ExtensionName::try_from(name).map_err(Failure::nonsense)?;
    if extension.settings.iter().any(|known| known.name.as_ref() == Some(&instance)) {
        return Err(Failure::nonsense(format!("instance {instance} is there twice")));
    }
    let mut settings =
        settings::empty(Some(instance), sequence_number(one, &format!("{}.{name}", extension.name))?);
    if let Some(state) = one.attribute("state").filter(|state| !state.is_empty()) {
        settings.state = cut(state, 64).to_lowercase().as_str().into();
    }
    let filled = settings::fill(&mut settings, one.text());
    for depends in node.all("DependsOn") {
        let Some(of) = depends.attribute("name").filter(|of| !of.is_empty()) else {
            return Err(Failure::nonsense(
                "No Name not specified for DependsOn object in ExtensionRuntimeSettings for MultiConfig!",
            ));
        };
        if of == name {
            dependencies(depends, &mut settings);
        }
    }
    extension.settings.push(settings);
    filled
}

fn sequence_number(element: &Element, name: &str) -> Result<u32, Failure> {
    match element.attribute("seqNo").map(str::trim) {
        None | Some("") => Err(Failure::nonsense(format!("SeqNo not specified for the Extension: {name}"))),
        Some(text) => text.parse().map_err(|_| {
            Failure::nonsense(format!("SeqNo of the Extension: {name} is no number: '{}'", shown(text)))
        }),
    }
}

fn dependencies(depends: &Element, settings: &mut ExtensionSettings) {
    // What is no number counts as 0, the level of those that nobody waits for.
    settings.dependency_level =
        depends.attribute("dependencyLevel").and_then(|level| level.trim().parse().ok()).unwrap_or(0);
    settings.depends_on = depends
        .all("DependsOnExtension")
        .take(256)
        .map(|one| DependsOn {
            handler: cut(one.attribute("handler").unwrap_or_default(), 256).to_owned(),
            extension: one.attribute("extension").map(|text| cut(text, 256).to_owned()),
        })
        .collect();
}
