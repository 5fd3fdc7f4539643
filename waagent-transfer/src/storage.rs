//! Storage: the connections that are kept while this process lives, one for each host and way.

use std::sync::atomic::Ordering;

use nix::unistd::dup;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Body, SendBody};
use waagent_common::transfer::stream::Timed;
use waagent_http::{HttpError, Request, STORAGE_TIME, StorageUri, configuration, exchange};

use crate::connect::StorageConnector;
use crate::names::{Names, Platform};
use crate::settings::Settings;
use crate::tls::Tls;

/// Storage, for one order at a time.
#[derive(Debug)]
pub(crate) struct Storage {
    settings: Settings,
    platform: Platform,
    connector: StorageConnector,
    tls: Tls,
    /// One for each way that a proxy rule can lead: directly, by the proxy for http, by the one for https.
    agents: [Option<Agent>; 3],
}

/// Why an order brought no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: HttpError,
    /// It was sent by the connection of an earlier order.
    pub(crate) kept: bool,
}

impl Storage {
    /// Nothing is opened yet.
    pub(crate) fn new(settings: Settings, tls: Tls) -> Self {
        let platform = Platform::new(&settings.endpoints);
        Self { settings, platform, connector: StorageConnector::default(), tls, agents: [None, None, None] }
    }

    /// May the URI be asked at all?
    pub(crate) fn admit(&self, uri: &str) -> Result<StorageUri, HttpError> {
        let uri = StorageUri::parse(uri, self.settings.allow_http)?;
        self.platform.refuse(uri.host())?;
        Ok(uri)
    }

    /// Whoever waits for what comes next: when he hangs up, it ends.
    pub(crate) fn work_for(&self, caller: Option<&Timed>) {
        // Without a copy nobody is watched; the order's time still ends it.
        self.connector.caller.set(caller.and_then(|caller| dup(caller).ok()));
    }

    /// Sends a request, and gives the answer as soon as its head is there.
    pub(crate) fn ask(
        &mut self,
        uri: &StorageUri,
        request: &Request<'_>,
        body: SendBody<'_>,
    ) -> Result<ureq::http::Response<Body>, Unanswered> {
        let agent = self.agent(uri).map_err(|error| Unanswered { error, kept: false })?.clone();
        let opened = &self.connector.opened;
        let before = opened.load(Ordering::Relaxed);
        exchange(&agent, uri.expose(), request, body)
            .map_err(|error| Unanswered { error, kept: opened.load(Ordering::Relaxed) == before })
    }

    fn agent(&mut self, uri: &StorageUri) -> Result<&Agent, HttpError> {
        let proxy = self.settings.proxies.to(uri)?;
        let [directly, by_http, by_https] = &mut self.agents;
        let slot = match (proxy, uri.is_https()) {
            (None, _) => directly,
            (Some(_), false) => by_http,
            (Some(_), true) => by_https,
        };
        let connector =
            || ConnectProxyConnector::default().chain(self.connector.clone()).chain(self.tls.clone());
        Ok(slot.get_or_insert_with(|| {
            let names = Names::new(self.platform.clone());
            Agent::with_parts(configuration(STORAGE_TIME, proxy), connector(), names)
        }))
    }
}
