//! What the platform received: every request, and what it understood of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::Request;
use crate::route::{Listener, Route};
use crate::scenario::BlobKind;
use crate::xml::{self, Element};

/// The record of a run. Lists that grow are bounded; `dropped` says how many entries went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// All requests in order, the oldest first.
    pub exchanges: Vec<Exchange>,
    /// Entries that no longer are in their list.
    pub dropped: u64,
    /// Requests per route.
    pub counts: BTreeMap<Route, u64>,
    /// Goal states given out.
    pub goal_states: Vec<GoalStateShown>,
    /// Health reports.
    pub health: Vec<HealthReport>,
    /// Role properties.
    pub role_properties: Vec<RoleProperty>,
    /// Uploads of the status blob.
    pub status_uploads: Vec<StatusUpload>,
    /// The last status that was JSON.
    pub last_status: Option<Value>,
    /// Telemetry events.
    pub telemetry: Vec<TelemetryEvent>,
    /// Observations posted to HealthService.
    pub health_service: Vec<Value>,
    /// Log archives.
    pub logs: Vec<LogUpload>,
    /// Connections that ended badly, and why.
    pub complaints: Vec<String>,
}

/// One request and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// When it was answered.
    pub at: Timestamp,
    /// Who was asked.
    pub listener: Listener,
    /// Which route.
    pub route: Route,
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers as sent.
    pub headers: Vec<(String, String)>,
    /// Length of the body, bytes.
    pub body_size: usize,
    /// Who opened the connection.
    pub opener_uid: Option<u32>,
    /// Status answered; 0: none was.
    pub status: u16,
    /// Fault applied.
    pub fault: Option<String>,
    /// Why it was refused.
    pub note: Option<String>,
}

/// A goal state that was given out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GoalStateShown {
    /// From when.
    pub at: Timestamp,
    /// Incarnation.
    pub incarnation: u64,
    /// ETag of vmSettings.
    pub etag: String,
    /// Number of extensions.
    pub extensions: usize,
}

/// A health report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthReport {
    /// When.
    pub at: Timestamp,
    /// `Ready`, `NotReady`.
    pub state: String,
    /// `Provisioning`, `ProvisioningFailed`, empty.
    pub sub_status: String,
    /// Text for people.
    pub description: String,
    /// Whether its ids were the current ones.
    pub accepted: bool,
}

/// A role property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleProperty {
    /// `CertificateThumbprint`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An upload of the status blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusUpload {
    /// When.
    pub at: Timestamp,
    /// `direct`, `host-plugin`.
    pub channel: String,
    /// Length of the blob, bytes.
    pub bytes: usize,
    /// Why it can't be read.
    pub error: Option<String>,
}

/// A telemetry event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TelemetryEvent {
    /// Provider id.
    pub provider: String,
    /// Event id.
    pub id: String,
    /// Name to value.
    pub parameters: BTreeMap<String, String>,
}

/// A log archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogUpload {
    /// When.
    pub at: Timestamp,
    /// Its length.
    pub bytes: usize,
}

impl HealthReport {
    /// An empty one, of now.
    pub fn now() -> Self {
        Self {
            at: Timestamp::now(),
            state: String::new(),
            sub_status: String::new(),
            description: String::new(),
            accepted: false,
        }
    }
}

impl Exchange {
    /// A request that has no answer yet.
    pub fn of(listener: Listener, route: Route, request: &Request, opener_uid: Option<u32>) -> Self {
        Self {
            at: Timestamp::now(),
            listener,
            route,
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            body_size: request.body.len(),
            opener_uid,
            status: 0,
            fault: None,
            note: None,
        }
    }

    /// Value of a header as the client sent it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Record {
    /// Whether an accepted `Ready` came.
    pub fn is_ready(&self) -> bool {
        self.health.iter().any(|report| report.accepted && report.state == "Ready")
    }

    /// How often a route was asked.
    pub fn count(&self, route: Route) -> u64 {
        self.counts.get(&route).copied().unwrap_or(0)
    }

    /// How many requests there were in all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The requests of a route.
    pub fn of(&self, route: Route) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.route == route)
    }

    /// Takes a request down.
    pub fn exchange(&mut self, exchange: Exchange) {
        *self.counts.entry(exchange.route).or_default() += 1;
        self.dropped += push(&mut self.exchanges, exchange);
    }

    /// Takes a connection's bad end down.
    pub fn complaint(&mut self, text: String) {
        self.dropped += push(&mut self.complaints, text);
    }

    /// Takes the content of a HealthService report down.
    pub fn health_service(&mut self, body: Value) {
        self.dropped += push(&mut self.health_service, body);
    }

    /// Takes a status down. A page blob's text ends at its padding, spaces or NUL.
    pub fn status(&mut self, bytes: &[u8], kind: BlobKind, channel: &str) {
        let padding = |byte: &u8| kind == BlobKind::PageBlob && matches!(byte, 0 | b' ');
        let end = bytes.iter().rposition(|byte| !padding(byte)).map_or(0, |last| last + 1);
        let parsed = serde_json::from_slice(bytes.get(..end).unwrap_or_default());
        let error = parsed.as_ref().err().map(ToString::to_string);
        if let Ok(status) = parsed {
            self.last_status = Some(status);
        }
        let upload =
            StatusUpload { at: Timestamp::now(), channel: channel.to_owned(), bytes: bytes.len(), error };
        self.dropped += push(&mut self.status_uploads, upload);
    }

    /// Takes a telemetry event down: its text is XML again.
    pub fn telemetry(&mut self, provider: &str, event: &Element) -> Result<()> {
        let inner = xml::parse(&format!("<Event>{}</Event>", event.text()))?;
        let mut parameters = BTreeMap::new();
        for parameter in &inner.children {
            let name = parameter.attribute("Name").context("a Param has no Name")?;
            let value = parameter.attribute("Value").context("a Param has no Value")?;
            parameters.insert(name.to_owned(), value.to_owned());
        }
        let id = event.attribute("id").unwrap_or_default().to_owned();
        let event = TelemetryEvent { provider: provider.to_owned(), id, parameters };
        self.dropped += push(&mut self.telemetry, event);
        Ok(())
    }
}

/// Appends; gives the number of entries that went for it.
fn push<T>(list: &mut Vec<T>, entry: T) -> u64 {
    list.push(entry);
    if list.len() <= ENTRIES {
        return 0;
    }
    list.drain(..ENTRIES / 4);
    u64::try_from(ENTRIES / 4).unwrap_or(0)
}

/// Entries a list holds at most.
const ENTRIES: usize = 20_000;
