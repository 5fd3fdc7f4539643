//! `GoalState`: who we are to the platform, and where the rest is.

use waagent_common::text::shown;
use waagent_common::xml::Element;

use crate::failure::{Failure, Kind};
use crate::xml;

/// The WireServer's goal state. Its URIs are as received: whoever follows one checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireGoalState {
    /// What has to be the same for the rest to be the same.
    pub(crate) identity: Identity,
    /// The platform waits for a health report.
    pub(crate) expects_health: bool,
    /// Where the parts are.
    pub(crate) hosting_environment: Option<String>,
    /// SharedConfig.
    pub(crate) shared_config: Option<String>,
    /// ExtensionsConfig; absent on machines without agent features.
    pub(crate) extensions_config: Option<String>,
    /// Certificates; absent where there are none.
    pub(crate) certificates: Option<String>,
    /// Users for just-in-time access.
    pub(crate) remote_access: Option<String>,
}

/// The texts by which one goal state differs from another. They are compared for equality only: an incarnation can go
/// back, or stay while the container changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Decimal number, as text.
    pub(crate) incarnation: String,
    /// Container id: `x-ms-containerid`.
    pub(crate) container_id: String,
    /// Role instance id.
    pub(crate) instance_id: String,
    /// Role configuration name: `x-ms-host-config-name`.
    pub(crate) config_name: String,
}

/// Parses the answer to `/machine/?comp=goalstate`. One without a `RoleInstance` isn't ready yet: a kind of its own.
pub(crate) fn parse(bytes: &[u8]) -> Result<WireGoalState, Failure> {
    let root = xml::parse(bytes, "GoalState").map_err(|error| refused(&error.to_string()))?;
    let incarnation = required(&root, "Incarnation")?;
    let container_id = required(&root, "Container/ContainerId")?;
    let Some(instance) = root.at("Container/RoleInstanceList/RoleInstance") else {
        let text = format!("goal state: no RoleInstance [incarnation {incarnation}]");
        return Err(Failure { kind: Kind::NoRoleInstance, text });
    };
    let uri = |name: &str| instance.text_at(&format!("Configuration/{name}")).map(str::to_owned);
    Ok(WireGoalState {
        expects_health: root
            .text_at("Machine/ExpectHealthReport")
            .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        hosting_environment: uri("HostingEnvironmentConfig"),
        shared_config: uri("SharedConfig"),
        extensions_config: uri("ExtensionsConfig"),
        certificates: uri("Certificates"),
        remote_access: root.text_at("Container/RemoteAccessInfo").map(str::to_owned),
        identity: Identity {
            incarnation,
            container_id,
            instance_id: required(instance, "InstanceId")?,
            config_name: required(instance, "Configuration/ConfigName")?,
        },
    })
}

fn refused(why: &str) -> Failure {
    Failure::nonsense(format!("goal state: {why}"))
}

fn required(element: &Element, path: &str) -> Result<String, Failure> {
    let refuse = |why: &str| Err(refused(&format!("element '{path}': {why}")));
    match element.text_at(path) {
        None => refuse("missing or empty"),
        Some(text) if text.len() > MAX_TEXT => refuse("longer than 256 bytes"),
        Some(text) if !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) => {
            refuse(&format!("no printable ASCII: '{}'", shown(text)))
        }
        Some(text) => Ok(text.to_owned()),
    }
}

/// Ids become headers and fields of documents.
const MAX_TEXT: usize = 256;
