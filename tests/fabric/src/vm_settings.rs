//! vmSettings: the goal state's extensions as the HostGAPlugin tells them.

use serde_json::{Value, json};

use crate::extensions_config::{ACTIVITY, status_blob_type};
use crate::packages::{failover_path, manifest_path, package_path};
use crate::revision::Revision;
use crate::scenario::{Channel, Scenario};
use crate::settings::{SealedExtension, SealedSettings};
use crate::storage::Storage;

/// The document of one revision; names of keys in the mixed case that hosts use.
pub fn document(scenario: &Scenario, revision: &Revision, sequence: u64, storage: &Storage) -> Value {
    let source = match revision.channel {
        Channel::Fabric => "Fabric",
        Channel::FastTrack => "FastTrack",
    };
    let features: Vec<Value> =
        scenario.goal_state.required_features.iter().map(|name| json!({"name": name})).collect();
    json!({
        "hostGAPluginVersion": scenario.vm_settings.version,
        "vmSettingsSchemaVersion": "0.0",
        "activityId": ACTIVITY,
        "correlationId": ACTIVITY,
        "inSvdSeqNo": sequence,
        "certificatesRevision": 0,
        "extensionsLastModifiedTickCount": revision.ticks,
        "extensionGoalStatesSource": source,
        "onHold": revision.on_hold.unwrap_or(false),
        "StatusUploadBlob": {
            "statusBlobType": status_blob_type(scenario.goal_state.status_blob),
            "value": storage.sas_uri(&storage.status_path),
        },
        "inVMMetadata": {
            "subscriptionId": scenario.vm.subscription,
            "resourceGroupName": scenario.vm.resource_group,
            "vmName": scenario.vm.name,
            "location": scenario.vm.location,
            "vmId": scenario.vm.id,
            "vmSize": scenario.vm.size,
            "osType": "Linux",
            "vmImage": {"publisher": "", "offer": "", "sku": "", "version": ""},
        },
        "requiredFeatures": features,
        "gaFamilies": [{"Name": "Prod", "uris": [storage.public_uri("/manifests/agent-prod.xml")]}],
        "extensionGoalStates":
            revision.extensions.iter().map(|extension| goal_state(extension, storage)).collect::<Vec<_>>(),
    })
}

fn goal_state(extension: &SealedExtension, storage: &Storage) -> Value {
    let (spec, multi) = (&extension.spec, extension.is_multi_config());
    let mut value = json!({
        "name": spec.name,
        "version": spec.version,
        "location": storage.public_uri(&manifest_path(&spec.name)),
        "state": spec.state,
        "autoUpgrade": false,
        "runAsStartupTask": false,
        "isJson": true,
        "useExactVersion": true,
        "failoverlocation": storage.public_uri(&failover_path(&spec.name)),
        "additionalLocations": [storage.public_uri(&failover_path(&spec.name))],
        "isMultiConfig": multi,
    });
    let mut put = |key: &str, member: Value| {
        if let Value::Object(map) = &mut value {
            map.insert(key.to_owned(), member);
        }
    };
    let signature = storage.package_signature(&package_path(&spec.name, &spec.version));
    if let Some(signature) = signature.filter(|_| spec.state != "uninstall") {
        put("encodedSignature", json!(signature));
    }
    if let (false, Some(settings)) = (multi, extension.settings.first()) {
        put("settingsSeqNo", json!(settings.spec.seq_no));
    }
    if !extension.settings.is_empty() {
        put("settings", extension.settings.iter().map(|one| settings(one, multi)).collect());
    }
    let depends: Vec<Value> =
        extension.settings.iter().filter_map(|settings| depends_on(settings, multi)).collect();
    if !depends.is_empty() {
        put("dependsOn", Value::Array(depends));
    }
    value
}

fn settings(settings: &SealedSettings, multi: bool) -> Value {
    let (protected, thumbprint) = settings.protected.clone().unzip();
    let public = settings.spec.raw.clone().or_else(|| settings.public.clone());
    if !multi {
        return json!({"protectedSettingsCertThumbprint": thumbprint, "protectedSettings": protected,
                      "publicSettings": public});
    }
    json!({
        "protectedSettingsCertThumbprint": thumbprint, "protectedSettings": protected, "publicSettings": public,
        "seqNo": settings.spec.seq_no, "extensionName": settings.spec.name,
        "extensionState": settings.spec.state.as_deref().unwrap_or("enabled"),
    })
}

fn depends_on(settings: &SealedSettings, multi: bool) -> Option<Value> {
    let level = settings.spec.dependency_level?;
    Some(if multi {
        json!({"name": settings.spec.name, "dependencyLevel": level, "DependsOnExtension": []})
    } else {
        json!({"dependencyLevel": level, "DependsOnExtension": []})
    })
}
