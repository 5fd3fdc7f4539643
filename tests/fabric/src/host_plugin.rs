//! HostGAPlugin, port 32526: vmSettings, artifacts, and what the agent uploads through the host.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use crate::http::{Request, Response};
use crate::platform::Platform;
use crate::record::LogUpload;
use crate::route::Route;

impl Platform {
    /// Answers one request to the HostGAPlugin.
    pub fn host_plugin(&mut self, route: Route, request: &Request) -> Response {
        let needed: &[&str] = match route {
            Route::HostPluginVersions => &["x-ms-containerid"],
            Route::VmSettings => {
                &["x-ms-version", "x-ms-containerid", "x-ms-host-config-name", "x-ms-client-correlationid"]
            }
            Route::ExtensionArtifact => {
                &["x-ms-version", "x-ms-containerid", "x-ms-host-config-name", "x-ms-artifact-location"]
            }
            Route::HostPluginStatus => &["x-ms-version", "x-ms-containerid", "x-ms-host-config-name"],
            Route::VmAgentLog => &[
                "x-ms-version",
                "x-ms-containerid",
                "x-ms-vmagentlog-deploymentid",
                "x-ms-client-name",
                "x-ms-client-version",
                "x-ms-client-correlationid",
            ],
            _ => &[],
        };
        if let Some(name) = needed.iter().find(|name| request.header(name).is_none()) {
            return Response::refused(400, format!("no header {name}"));
        }
        if needed.contains(&"x-ms-version") && request.header("x-ms-version") != Some("2015-09-01") {
            return Response::refused(400, "x-ms-version isn't 2015-09-01");
        }
        if let Some(refusal) = self.is_stale(request) {
            return refusal;
        }
        match route {
            Route::HostPluginVersions => Response::json(&serde_json::json!(["2015-09-01"])),
            Route::HostPluginHealth => Response::empty(200),
            Route::VmSettings => self.vm_settings(request),
            Route::ExtensionArtifact => self.artifact(request),
            Route::HostPluginStatus => self.status(request),
            Route::VmAgentLog => self.log(request),
            _ => Response::refused(404, "HostGAPlugin has no such verb"),
        }
    }

    /// 410: the machine was moved since the goal state that these ids are of.
    fn is_stale(&self, request: &Request) -> Option<Response> {
        let config_name = self.config_name();
        let expected =
            [("x-ms-containerid", self.goal.container_id.as_str()), ("x-ms-host-config-name", &config_name)];
        let wrong = |(name, value): &&(&str, &str)| request.header(name).is_some_and(|sent| sent != *value);
        let (name, value) = expected.iter().find(wrong)?;
        let sent = request.header(name).unwrap_or_default();
        Some(Response::refused(410, format!("ResourceGone: {name} is '{sent}', should be '{value}'")))
    }

    fn vm_settings(&self, request: &Request) -> Response {
        if !self.goal.vm_settings_supported {
            return Response::refused(404, "vmSettings aren't supported");
        }
        let (text, etag) = &self.goal.vm_settings;
        if request.header("if-none-match") == Some(etag) {
            return Response::empty(304).with("ETag", etag);
        }
        let response = Response::text(200, "application/json; charset=utf-8", text.clone());
        if self.scenario.vm_settings.without_etag { response } else { response.with("ETag", etag) }
    }

    /// The host fetches for the agent; it has its own way to storage, where no fault lies.
    fn artifact(&self, request: &Request) -> Response {
        let uri = request.header("x-ms-artifact-location").unwrap_or_default();
        let Some(target) = self.storage.target_of(uri) else {
            return Response::refused(400, format!("artifact location '{uri}' isn't of this storage"));
        };
        let inner = self.storage.read(&Request { target: target.to_owned(), ..Request::default() });
        match inner.status {
            200 | 404 => inner,
            _ => Response { status: 502, ..inner },
        }
    }

    fn status(&mut self, request: &Request) -> Response {
        let inner = match self.inner_put(request) {
            Ok(inner) => inner,
            Err(reason) => return Response::refused(400, reason),
        };
        let answer = self.put_blob(&inner, "host-plugin");
        match answer.status {
            201 => Response::empty(200),
            _ => Response { status: 502, ..answer },
        }
    }

    /// The PUT that the body of `/status` describes.
    fn inner_put(&self, request: &Request) -> Result<Request, String> {
        let kind = request.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(format!("Content-Type '{kind}' isn't application/json"));
        }
        let described: DescribedPut =
            serde_json::from_slice(&request.body).map_err(|error| format!("status body: {error}"))?;
        let target =
            self.storage.target_of(&described.request_uri).ok_or("requestUri isn't of this storage")?;
        let body = described.content.map_or(Ok(Vec::new()), |content| STANDARD.decode(content));
        let body = body.map_err(|error| format!("content isn't base64: {error}"))?;
        let headers: Vec<(String, String)> =
            described.headers.into_iter().map(|header| (header.header_name, header.header_value)).collect();
        let inner = Request { method: "PUT".into(), target: target.to_owned(), headers, body };
        match inner.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if length == inner.body.len() => Ok(inner),
            Some(_) => Err("inner Content-Length isn't the length of the content".into()),
            None => Err("no inner header Content-Length".into()),
        }
    }

    fn log(&mut self, request: &Request) -> Response {
        self.record.logs.push(LogUpload { at: Timestamp::now(), bytes: request.body.len() });
        Response::empty(200)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DescribedPut {
    content: Option<String>,
    headers: Vec<DescribedHeader>,
    request_uri: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DescribedHeader {
    header_name: String,
    header_value: String,
}
