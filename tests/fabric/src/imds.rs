//! The instance metadata service: one JSON tree, any part of it by its path.

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::platform::Platform;
use crate::scenario::PublicKey;

impl Platform {
    /// Answers one request to IMDS.
    pub fn imds(&self, request: &Request) -> Response {
        if !request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Response::refused(400, "no header Metadata: true");
        }
        if request.header("x-forwarded-for").is_some() {
            return Response::refused(400, "X-Forwarded-For is refused");
        }
        let version = request.query("api-version").unwrap_or_default();
        if version.len() < 10 || !version.starts_with("20") {
            return Response::refused(400, format!("api-version '{version}'"));
        }
        let tree = json!({"instance": self.instance()});
        let path = request.path().trim_start_matches("/metadata").trim_end_matches('/');
        match tree.pointer(path) {
            Some(Value::String(text)) if request.query("format") == Some("text") => {
                Response::text(200, "text/plain; charset=utf-8", text.clone())
            }
            Some(value) if !path.is_empty() => Response::json(value),
            _ => Response::refused(404, format!("IMDS has no '{path}'")),
        }
    }

    fn instance(&self) -> Value {
        let vm = &self.scenario.vm;
        let provision = self.scenario.provision.clone().unwrap_or_default();
        let keys: Vec<Value> = provision
            .public_key
            .iter()
            .filter_map(|key| Some(json!({"keyData": self.key_line(key)?, "path": key.path})))
            .collect();
        json!({
            "compute": {
                "location": vm.location, "name": vm.name, "offer": "", "osType": "Linux",
                "osProfile": {
                    "adminUsername": provision.user_name, "computerName": provision.host_name,
                    "disablePasswordAuthentication":
                        provision.disable_password_authentication.unwrap_or(true).to_string(),
                },
                "placementGroupId": "", "platformFaultDomain": "0", "platformUpdateDomain": "0",
                "publicKeys": keys, "publisher": "", "resourceGroupName": vm.resource_group, "sku": "",
                "subscriptionId": vm.subscription, "tags": "", "version": "", "vmId": vm.id,
                "vmScaleSetName": "", "vmSize": vm.size, "zone": "",
            },
            "network": {"interface": [{
                "ipv4": {
                    "ipAddress": [{"privateIpAddress": vm.address, "publicIpAddress": ""}],
                    "subnet": [{"address": "10.0.0.0", "prefix": "24"}],
                },
                "ipv6": {"ipAddress": []},
                "macAddress": vm.mac,
            }]},
        })
    }

    /// IMDS tells keys as they are written in authorized_keys, also those that the medium names by certificate alone.
    fn key_line(&self, key: &PublicKey) -> Option<String> {
        let named = || self.identities.get(key.certificate.as_ref()?)?.ssh_line().ok();
        key.value.clone().or_else(named)
    }
}
