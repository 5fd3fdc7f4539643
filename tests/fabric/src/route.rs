//! The routes of the platform by name: what faults aim at and the record counts.

use serde::{Deserialize, Serialize};

use crate::http::Request;

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listener {
    /// 168.63.129.16:80
    WireServer,
    /// 168.63.129.16:32526
    HostPlugin,
    /// 169.254.169.254:80
    Imds,
    /// Blobs.
    Storage,
    /// The fabric's own.
    Control,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// GET `/?comp=versions`
    Versions,
    /// GET `/machine/?comp=goalstate`
    GoalState,
    /// `type=hostingEnvironmentConfig`
    HostingEnvironment,
    /// `type=sharedConfig`
    SharedConfig,
    /// `type=extensionsConfig`
    ExtensionsConfig,
    /// `type=fullConfig`
    FullConfig,
    /// `comp=certificates`
    Certificates,
    /// `comp=remoteaccessinfo`
    RemoteAccess,
    /// POST `/machine?comp=health`
    Health,
    /// POST `/provisioning/health`
    HealthJson,
    /// POST `/machine?comp=roleProperties`
    RoleProperties,
    /// POST `/machine?comp=telemetrydata`
    Telemetry,
    /// POST `/HealthService`
    HealthService,
    /// GET `:32526/versions`
    HostPluginVersions,
    /// GET `:32526/health`
    HostPluginHealth,
    /// GET `:32526/vmSettings`
    VmSettings,
    /// GET `:32526/extensionArtifact`
    ExtensionArtifact,
    /// PUT `:32526/status`
    HostPluginStatus,
    /// PUT `:32526/vmAgentLog`
    VmAgentLog,
    /// GET `/metadata/...`
    Imds,
    /// GET of a blob by its URI
    StorageGet,
    /// PUT of a blob by its URI
    StoragePut,
    /// Nothing that the platform knows
    Unknown,
}

impl Route {
    /// Where a request goes.
    pub fn of(listener: Listener, request: &Request) -> Self {
        match listener {
            Listener::WireServer => wire_server(request),
            Listener::HostPlugin => host_plugin(request),
            Listener::Imds if request.path().starts_with("/metadata/") => Self::Imds,
            Listener::Storage if request.method == "GET" => Self::StorageGet,
            Listener::Storage if request.method == "PUT" => Self::StoragePut,
            _ => Self::Unknown,
        }
    }
}

fn wire_server(request: &Request) -> Route {
    let query = |key| request.query(key).unwrap_or_default().to_ascii_lowercase();
    let (comp, kind) = (query("comp"), query("type"));
    match (request.method.as_str(), request.path(), comp.as_str(), kind.as_str()) {
        ("GET", "/", "versions", _) => Route::Versions,
        ("GET", "/machine/" | "/machine", "goalstate", _) => Route::GoalState,
        ("GET", _, "config", "hostingenvironmentconfig") => Route::HostingEnvironment,
        ("GET", _, "config", "sharedconfig") => Route::SharedConfig,
        ("GET", _, "config", "extensionsconfig") => Route::ExtensionsConfig,
        ("GET", _, "config", "fullconfig") => Route::FullConfig,
        ("GET", _, "certificates", _) => Route::Certificates,
        ("GET", _, "remoteaccessinfo", _) => Route::RemoteAccess,
        ("POST", "/machine/" | "/machine", "health", _) => Route::Health,
        ("POST", "/machine/" | "/machine", "roleproperties", _) => Route::RoleProperties,
        ("POST", "/machine/" | "/machine", "telemetrydata", _) => Route::Telemetry,
        ("POST", "/provisioning/health", _, _) => Route::HealthJson,
        ("POST", "/HealthService", _, _) => Route::HealthService,
        _ => Route::Unknown,
    }
}

fn host_plugin(request: &Request) -> Route {
    match (request.method.as_str(), request.path()) {
        ("GET", "/versions") => Route::HostPluginVersions,
        ("GET", "/health") => Route::HostPluginHealth,
        ("GET", "/vmSettings") => Route::VmSettings,
        ("GET", "/extensionArtifact") => Route::ExtensionArtifact,
        ("PUT", "/status") => Route::HostPluginStatus,
        ("PUT", "/vmAgentLog") => Route::VmAgentLog,
        _ => Route::Unknown,
    }
}
