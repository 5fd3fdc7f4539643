//! ExtensionsConfig: the goal state's extensions as XML.

use crate::packages::{failover_path, manifest_path, package_path};
use crate::revision::Revision;
use crate::scenario::{BlobKind, Scenario};
use crate::settings::{SealedExtension, SealedSettings};
use crate::storage::Storage;
use crate::xml::escape;

/// The document of one revision; `incarnation` is the goal state's.
pub fn document(scenario: &Scenario, revision: &Revision, incarnation: u64, storage: &Storage) -> String {
    let extensions = &revision.extensions;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Extensions version=\"1.0.0.0\" \
         goalStateIncarnation=\"{incarnation}\"><GuestAgentExtension \
         xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><GAFamilies><GAFamily><Name>Prod</Name>\
         <Uris><Uri>{}</Uri></Uris></GAFamily></GAFamilies><Location>{}</Location>\
         <ServiceName>CRP</ServiceName></GuestAgentExtension>",
        escape(&storage.public_uri("/manifests/agent-prod.xml")),
        escape(&scenario.vm.location),
    );
    let features = &scenario.goal_state.required_features;
    if !features.is_empty() {
        let features: String = features
            .iter()
            .map(|name| format!("<RequiredFeature><Name>{}</Name></RequiredFeature>", escape(name)))
            .collect();
        push(&mut xml, format_args!("<RequiredFeatures>{features}</RequiredFeatures>"));
    }
    plugins(&mut xml, extensions, storage);
    plugin_settings(&mut xml, extensions);
    push(
        &mut xml,
        format_args!(
            "<StatusUploadBlob statusBlobType=\"{}\">{}</StatusUploadBlob>",
            status_blob_type(scenario.goal_state.status_blob),
            escape(&storage.sas_uri(&storage.status_path))
        ),
    );
    if revision.on_hold.is_some() {
        let uri = escape(&storage.sas_uri(PROFILE));
        push(&mut xml, format_args!("<InVMArtifactsProfileBlob>{uri}</InVMArtifactsProfileBlob>"));
    }
    push(
        &mut xml,
        format_args!(
            "<InVMGoalStateMetaData inSvdSeqNo=\"{incarnation}\" createdOnTicks=\"{}\" activityId=\"{ACTIVITY}\" \
             correlationId=\"{ACTIVITY}\" /></Extensions>",
            revision.ticks
        ),
    );
    xml
}

fn plugins(xml: &mut String, extensions: &[SealedExtension], storage: &Storage) {
    xml.push_str("<Plugins>");
    for extension in extensions {
        let spec = &extension.spec;
        push(
            xml,
            format_args!(
                "<Plugin name=\"{}\" version=\"{}\" location=\"{}\" failoverlocation=\"{}\" state=\"{}\" \
                 config=\"\" autoUpgrade=\"false\" runAsStartupTask=\"false\" isJson=\"true\" \
                 useExactVersion=\"true\"{}><additionalLocations><additionalLocation>{}</additionalLocation>\
                 </additionalLocations></Plugin>",
                escape(&spec.name),
                escape(&spec.version),
                escape(&storage.public_uri(&manifest_path(&spec.name))),
                escape(&storage.public_uri(&failover_path(&spec.name))),
                escape(&spec.state),
                signature(extension, storage),
                escape(&storage.public_uri(&failover_path(&spec.name))),
            ),
        );
    }
    xml.push_str("</Plugins>");
}

/// The attribute with the publisher's signature; an extension that goes has none.
fn signature(extension: &SealedExtension, storage: &Storage) -> String {
    let signature = storage.package_signature(&package_path(&extension.spec.name, &extension.spec.version));
    let signature = signature.filter(|_| extension.spec.state != "uninstall");
    signature.map(|base64| format!(" encodedSignature=\"{}\"", escape(base64))).unwrap_or_default()
}

fn plugin_settings(xml: &mut String, extensions: &[SealedExtension]) {
    xml.push_str("<PluginSettings>");
    for extension in extensions.iter().filter(|extension| !extension.settings.is_empty()) {
        let spec = &extension.spec;
        push(
            xml,
            format_args!("<Plugin name=\"{}\" version=\"{}\">", escape(&spec.name), escape(&spec.version)),
        );
        for settings in &extension.settings {
            one_settings(xml, extension, settings);
        }
        xml.push_str("</Plugin>");
    }
    xml.push_str("</PluginSettings>");
}

fn one_settings(xml: &mut String, extension: &SealedExtension, settings: &SealedSettings) {
    let spec = &settings.spec;
    let (element, instance) = if extension.is_multi_config() {
        let state = spec.state.as_deref().unwrap_or("enabled");
        ("ExtensionRuntimeSettings", format!(" name=\"{}\" state=\"{}\"", escape(&spec.name), escape(state)))
    } else {
        ("RuntimeSettings", String::new())
    };
    if let Some(level) = spec.dependency_level {
        let name = if extension.is_multi_config() {
            format!(" name=\"{}\"", escape(&spec.name))
        } else {
            String::new()
        };
        push(xml, format_args!("<DependsOn dependencyLevel=\"{level}\"{name} />"));
    }
    let text = escape(&settings.runtime_settings());
    push(xml, format_args!("<{element} seqNo=\"{}\"{instance}>{text}</{element}>", spec.seq_no));
}

/// What the artifacts profile says.
pub fn profile(on_hold: bool) -> Vec<u8> {
    format!("{{\"profileId\": \"1\", \"onHold\": {on_hold}}}").into_bytes()
}

/// How `statusBlobType` spells it.
pub fn status_blob_type(kind: BlobKind) -> &'static str {
    match kind {
        BlobKind::BlockBlob => "BlockBlob",
        BlobKind::PageBlob => "PageBlob",
        BlobKind::AppendBlob => "AppendBlob",
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
}

/// Path of the artifacts profile.
pub const PROFILE: &str = "/profile/artifacts.json";
/// Activity and correlation id of every goal state.
pub const ACTIVITY: &str = "555e551c-600e-4fb4-90ba-8ab8ec28eccc";
