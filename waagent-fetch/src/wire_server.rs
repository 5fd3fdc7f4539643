//! The WireServer's verbs, and vmSettings of the HostGAPlugin: one request each, no repetition, no state.

use std::time::Duration;

use waagent_common::documents::{CertificateCipher, Transport};

use crate::failure::Failure;
use crate::goal_state::wire::Identity;
use crate::http::{Client, PlatformUri, Request, Response, Target};
use crate::xml;

/// The platform, as one poll sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WireServer<'a> {
    client: &'a Client,
}

/// What vmSettings came to.
#[derive(Debug)]
pub(crate) enum VmSettingsAnswer {
    /// New ones, with their ETag.
    New(String, Vec<u8>),
    /// As before.
    NotModified,
    /// The host doesn't know them.
    Unknown,
}

impl<'a> WireServer<'a> {
    /// Over this client.
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// Does the platform speak our version of the protocol?
    pub(crate) fn speaks_our_version(self) -> Result<bool, Failure> {
        let what = "versions of the WireServer";
        let response = self.send(what, Target::WireServer, "/?comp=versions", &Request::get())?;
        let root = xml::parse(&response.body, "Versions")
            .map_err(|error| Failure::nonsense(format!("{what}: {error}")))?;
        let supported = root.at("Supported");
        let offered =
            supported.into_iter().flat_map(|list| list.all("Version")).chain(root.at("Preferred/Version"));
        Ok(offered.into_iter().any(|version| version.text() == VERSION))
    }

    /// The goal state's bytes.
    pub(crate) fn goal_state(self) -> Result<Vec<u8>, Failure> {
        let request = versioned(Request::get()).limit(SMALL);
        Ok(self.send("goal state", Target::WireServer, "/machine/?comp=goalstate", &request)?.body)
    }

    /// A part of the goal state, by the URI that names it.
    pub(crate) fn part(self, what: &str, uri: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let uri = self.own(what, uri)?;
        Ok(self.send(what, uri.target, &uri.path, &versioned(Request::get()).limit(limit))?.body)
    }

    /// Something that is sealed for our transport certificate.
    pub(crate) fn sealed(
        self,
        what: &str,
        uri: &str,
        transport: &Transport,
        cipher: CertificateCipher,
        limit: u64,
    ) -> Result<Vec<u8>, Failure> {
        let uri = self.own(what, uri)?;
        let request = versioned(Request::get())
            .header("x-ms-guest-agent-public-x509-cert", transport.certificate_der_base64.clone())
            .header("x-ms-cipher-name", cipher.as_wire())
            .limit(limit)
            .timeout(SEALED_TIME);
        Ok(self.send(what, uri.target, &uri.path, &request)?.body)
    }

    /// vmSettings, unless they are still those of this ETag.
    pub(crate) fn vm_settings(
        self,
        ids: &Identity,
        etag: Option<&str>,
        correlation: String,
    ) -> Result<VmSettingsAnswer, Failure> {
        let what = "vmSettings";
        let mut request = Request::get()
            .header("x-ms-version", "2015-09-01")
            .header("x-ms-containerid", ids.container_id.clone())
            .header("x-ms-host-config-name", ids.config_name.clone())
            .header("x-ms-client-correlationid", correlation)
            .limit(LARGE)
            .timeout(VM_SETTINGS_TIME);
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let answer = self.client.platform(Target::HostGaPlugin, "/vmSettings", &request);
        let response = answer.map_err(|error| Failure::of_error(what, &error))?;
        match response.status {
            200 => match response.header("etag") {
                Some(new) if !new.is_empty() && new.len() <= 128 => {
                    Ok(VmSettingsAnswer::New(new.to_owned(), response.body))
                }
                _ => Err(Failure::nonsense("vmSettings: an answer without a usable 'ETag'")),
            },
            304 if etag.is_some() => Ok(VmSettingsAnswer::NotModified),
            404 => Ok(VmSettingsAnswer::Unknown),
            _ => Err(Failure::of_status(what, &response)),
        }
    }

    /// Tells how provisioning is. Gives the status code, whatever it is.
    pub(crate) fn health(self, report: &str) -> Result<Response, Failure> {
        self.post("health report", "/machine?comp=health", report)
    }

    /// Tells the fingerprint of the host key. Gives the status code, whatever it is.
    pub(crate) fn role_properties(self, properties: &str) -> Result<Response, Failure> {
        self.post("role properties", "/machine?comp=roleProperties", properties)
    }

    fn post(self, what: &str, path: &str, body: &str) -> Result<Response, Failure> {
        let request =
            versioned(Request::post(body.as_bytes())).header("content-type", "text/xml;charset=utf-8");
        self.client
            .platform(Target::WireServer, path, &request)
            .map_err(|error| Failure::of_error(what, &error))
    }

    /// A part is the WireServer's: the gate lets nothing else pass to the host's plugin than what that is known for.
    fn own(self, what: &str, uri: &str) -> Result<PlatformUri, Failure> {
        let uri = PlatformUri::parse(uri, self.client.endpoint())
            .map_err(|error| Failure::of_error(what, &error))?;
        if uri.target == Target::WireServer {
            return Ok(uri);
        }
        Err(Failure::nonsense(format!("{what}: its URI leads to {}", uri.target)))
    }

    fn send(
        self,
        what: &str,
        target: Target,
        path: &str,
        request: &Request<'_>,
    ) -> Result<Response, Failure> {
        let response =
            self.client.platform(target, path, request).map_err(|error| Failure::of_error(what, &error))?;
        if response.is_success() { Ok(response) } else { Err(Failure::of_status(what, &response)) }
    }
}

fn versioned(request: Request<'_>) -> Request<'_> {
    request.header("x-ms-agent-name", "WALinuxAgent").header("x-ms-version", VERSION)
}

/// The version of the wire protocol that we speak.
pub(crate) const VERSION: &str = "2012-11-30";
/// Goal state, environment, shared configuration, in bytes.
pub(crate) const SMALL: u64 = 1 << 20;
/// ExtensionsConfig and vmSettings.
pub(crate) const LARGE: u64 = 8 << 20;
/// Certificates.
pub(crate) const SEALED: u64 = 6 << 20;
const SEALED_TIME: Duration = Duration::from_secs(60);
const VM_SETTINGS_TIME: Duration = Duration::from_secs(10);
