//! What the configuration says about the way to storage.

use std::net::Ipv4Addr;

use waagent_common::config::{Config, SwitchKey};

use crate::proxy::Proxies;

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OS.AllowHTTP`: may storage be asked without TLS?
    pub allow_http: bool,
    /// `HttpProxy.*` and the environment.
    pub proxies: Proxies,
    /// `Protocol.AllowedEndpoints`: besides the well-known ones, addresses of the platform.
    pub endpoints: Vec<Ipv4Addr>,
}

impl Settings {
    /// Reads the keys.
    pub fn of(config: &Config) -> Self {
        Self {
            allow_http: config.switch(SwitchKey::OsAllowHttp),
            proxies: Proxies::of(config),
            endpoints: config.allowed_endpoints(),
        }
    }
}
