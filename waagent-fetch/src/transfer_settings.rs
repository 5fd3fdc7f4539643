//! What the configuration says about transfers: plain values, so that they can go to a thread.

use waagent_common::config::{Config, IntegerKey, SwitchKey};
use waagent_common::log;

/// What the configuration says about transfers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OS.AllowHTTP`: may storage be asked without TLS?
    pub allow_http: bool,
    /// `Extensions.MaxPackageMB`, in bytes.
    pub max_package: u64,
}

impl Settings {
    /// Reads the keys.
    pub fn of(config: &Config) -> Self {
        let allow_http = config.switch(SwitchKey::OsAllowHttp);
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            if std::env::var_os(name).is_some() {
                log::warning(&format!("'{name}' {NO_PROXY_HERE}"));
            }
        }
        if allow_http {
            log::warning(
                "OS.AllowHTTP=y: whoever is on the way to storage can read and change packages and statuses",
            );
        }
        Self { allow_http, max_package: config.integer(IntegerKey::ExtensionsMaxPackageMb) << 20 }
    }
}

const NO_PROXY_HERE: &str = "does nothing here: storage is asked by waagent-transfer; move it to a drop-in of that, by \
    'systemctl edit waagent-transfer'";
