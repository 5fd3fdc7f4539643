//! `GoalState`: who we are to the platform, and where the rest is.

use std::fmt;

use waagent_common::text::shown;
use waagent_common::xml::Element;

use crate::xml;

/// The WireServer's goal state. Its URIs are as received: whoever follows one checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireGoalState {
    /// What has to be the same for the rest to be the same.
    pub identity: Identity,
    /// The platform waits for a health report.
    pub expects_health: bool,
    /// Where the parts are.
    pub hosting_environment: Option<String>,
    /// SharedConfig.
    pub shared_config: Option<String>,
    /// ExtensionsConfig; absent on machines without agent features.
    pub extensions_config: Option<String>,
    /// Certificates; absent where there are none.
    pub certificates: Option<String>,
    /// Users for just-in-time access.
    pub remote_access: Option<String>,
}

/// The texts by which one goal state differs from another. They are compared for equality only: an incarnation can go
/// back, or stay while the container changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Decimal number, as text.
    pub incarnation: String,
    /// Container id: `x-ms-containerid`.
    pub container_id: String,
    /// Role instance id.
    pub instance_id: String,
    /// Role configuration name: `x-ms-host-config-name`.
    pub config_name: String,
}

/// Why a goal state was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireError {
    /// It has no `RoleInstance` yet; asking again in half a second helps.
    NoRoleInstance(String),
    /// It makes no sense.
    Refused(String),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoleInstance(incarnation) => {
                write!(f, "goal state: no RoleInstance [incarnation {incarnation}]")
            }
            Self::Refused(why) => write!(f, "goal state: {why}"),
        }
    }
}

impl std::error::Error for WireError {}

/// Parses the answer to `/machine/?comp=goalstate`.
pub fn parse(bytes: &[u8]) -> Result<WireGoalState, WireError> {
    let root = xml::parse(bytes, "GoalState").map_err(|error| WireError::Refused(error.to_string()))?;
    let incarnation = required(&root, "Incarnation")?;
    let container_id = required(&root, "Container/ContainerId")?;
    let Some(instance) = root.at("Container/RoleInstanceList/RoleInstance") else {
        return Err(WireError::NoRoleInstance(incarnation));
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

fn required(element: &Element, path: &str) -> Result<String, WireError> {
    let refuse = |why: &str| Err(WireError::Refused(format!("element '{path}': {why}")));
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
