//! HostGAPlugin's verbs for blobs: the host fetches and writes them for us.

use std::fs::File;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::http::{Client, HttpError, Request, Response, StorageUri, Stored, Target};
use crate::storage::{BlobRequest, empty};

/// By which the host knows which machine asks: of the most recent goal state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIds {
    /// `ContainerId`.
    pub container_id: String,
    /// `ConfigName`.
    pub(crate) config_name: String,
}

/// The plugin, as one piece of work sees it.
#[derive(Debug)]
pub(crate) struct Plugin<'a> {
    client: &'a Client,
    ids: &'a HostIds,
    /// Did the goal state come by Fast Track? The host then checks URIs against its artifacts blob.
    fast_track: bool,
    available: bool,
}

impl<'a> Plugin<'a> {
    /// Nothing is asked yet.
    pub(crate) fn new(client: &'a Client, ids: &'a HostIds, fast_track: bool) -> Self {
        Self { client, ids, fast_track, available: false }
    }

    /// Gets a blob into memory.
    pub(crate) fn artifact(&mut self, uri: &StorageUri, request: Request<'_>) -> Result<Response, HttpError> {
        self.is_there()?.map_or_else(
            || self.client.platform(Target::HostGaPlugin, ARTIFACT, &self.of_artifact(uri, None, request)),
            Ok,
        )
    }

    /// Gets a package into a file; `manifest` is the one that named it.
    pub(crate) fn download(
        &mut self,
        uri: &StorageUri,
        manifest: &StorageUri,
        request: Request<'_>,
        file: &mut File,
    ) -> Result<Stored, HttpError> {
        if let Some(response) = self.is_there()? {
            return Ok(Stored { response, size: 0 });
        }
        empty(file)?;
        let request = self.of_artifact(uri, Some(manifest), request);
        self.client.platform_to_file(Target::HostGaPlugin, ARTIFACT, &request, file)
    }

    /// Lets the host send one request of a blob's upload.
    pub(crate) fn put(&mut self, put: &BlobRequest, text: &[u8]) -> Result<Response, HttpError> {
        if let Some(response) = self.is_there()? {
            return Ok(response);
        }
        let bytes = text.get(put.bytes.clone()).unwrap_or_default();
        let mut headers: Vec<_> = put.headers.iter().map(|(name, value)| pair(name, value)).collect();
        headers.push(pair("Content-Length", &bytes.len().to_string()));
        let mut body = Map::new();
        if !bytes.is_empty() {
            body.insert("content".to_owned(), STANDARD.encode(bytes).into());
        }
        body.insert("headers".to_owned(), headers.into());
        body.insert("requestUri".to_owned(), put.uri.expose().into());
        let body = serde_json::to_vec(&body).map_err(|error| HttpError::Refused(error.to_string()))?;
        let request = self.with_host_headers(Request::put(&body)).header("content-type", "application/json");
        self.client.platform(Target::HostGaPlugin, "/status", &request)
    }

    /// Asks once which versions there are. Gives an answer that says why the plugin can't be used.
    fn is_there(&mut self) -> Result<Option<Response>, HttpError> {
        if self.available {
            return Ok(None);
        }
        if !fits_a_header(&self.ids.config_name) {
            return Err(HttpError::Refused(UNFIT.to_owned()));
        }
        let request = Request::get().header("x-ms-containerid", self.ids.container_id.clone());
        let response = self.client.platform(Target::HostGaPlugin, "/versions", &request)?;
        if !response.is_success() {
            return Ok(Some(response));
        }
        let speaks_ours = response.body.windows(API.len()).any(|part| part == API.as_bytes());
        if !speaks_ours {
            return Err(HttpError::Refused(format!("the host's plugin doesn't offer version {API}")));
        }
        self.available = true;
        Ok(None)
    }

    fn of_artifact<'b>(
        &self,
        uri: &StorageUri,
        manifest: Option<&StorageUri>,
        request: Request<'b>,
    ) -> Request<'b> {
        let mut request = self.with_host_headers(request).header("x-ms-artifact-location", uri.expose());
        if let Some(manifest) = manifest {
            request = request.header("x-ms-artifact-manifest-location", manifest.expose());
        }
        if self.fast_track {
            request = request.header("x-ms-verify-from-artifacts-blob", "true");
        }
        request
    }

    fn with_host_headers<'b>(&self, request: Request<'b>) -> Request<'b> {
        request
            .header("x-ms-version", API)
            .header("x-ms-containerid", self.ids.container_id.clone())
            .header("x-ms-host-config-name", self.ids.config_name.clone())
    }
}

/// Can the host be told this name at all? A header's value is printable ASCII.
pub(crate) fn fits_a_header(name: &str) -> bool {
    name.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

fn pair(name: &str, value: &str) -> Value {
    json!({ "headerName": name, "headerValue": value })
}

/// Why the plugin isn't asked.
pub(crate) const UNFIT: &str = "the host's plugin can't be told which machine asks: ConfigName isn't ASCII";
const API: &str = "2015-09-01";
const ARTIFACT: &str = "/extensionArtifact";

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use waagent_common::root::Root;

    use super::*;

    #[test]
    fn a_name_that_no_header_can_have_keeps_the_plugin_from_being_asked() {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new(&Root::new(folder.path()), Ipv4Addr::LOCALHOST);
        let uri = StorageUri::parse("https://a/b?sig=s", false).unwrap();
        let ask = |config_name: &str| {
            let ids = HostIds { container_id: "c".to_owned(), config_name: config_name.to_owned() };
            Plugin::new(&client, &ids, false).artifact(&uri, Request::get()).unwrap_err()
        };
        let refused = ask("b\u{e4}r.0.b\u{e4}r.0.1.xml");
        assert!(matches!(&refused, HttpError::Refused(why) if why == UNFIT), "{refused:?}");
        assert!(!refused.is_retryable());
        // There is no gate here: it was asked for.
        assert!(matches!(ask("bar.0.bar.0.1.xml"), HttpError::Gate(_)));
    }
}
