//! The HTTP client: what the platform is asked passes here, over sockets of the gate, which are kept alive between polls.
//! Each call has a limit for time and bytes.

use std::fs::File;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::Agent;
use waagent_common::root::Root;
use waagent_http::{configuration, once, stored};

mod connect;

pub use waagent_common::gate::protocol::{IMDS, Target};
pub use waagent_http::{
    HttpError, PLATFORM_TIME, PlatformUri, Request, Response, STORAGE_TIME, StorageUri, Stored, Verb,
    without_query,
};

/// The platform. Copies share the connections that are kept.
#[derive(Debug, Clone)]
pub struct Client {
    platform: Agent,
    opened: Arc<AtomicU64>,
    endpoint: Ipv4Addr,
}

impl Client {
    /// A client for the WireServer at `endpoint`, which is also what `Host` says.
    pub fn new(root: &Root, endpoint: Ipv4Addr) -> Self {
        let opened = Arc::new(AtomicU64::new(0));
        let connector = connect::GateConnector::new(root.clone(), Arc::clone(&opened));
        Self {
            platform: Agent::with_parts(configuration(PLATFORM_TIME, None), connector, connect::NoResolver),
            opened,
            endpoint,
        }
    }

    /// The WireServer's address.
    pub fn endpoint(&self) -> Ipv4Addr {
        self.endpoint
    }

    /// Asks the platform. `path` is path and query.
    ///
    /// A connection that was kept and turns out to be closed is replaced once: that says nothing about the platform.
    pub fn platform(&self, target: Target, path: &str, request: &Request<'_>) -> Result<Response, HttpError> {
        let uri = match target {
            Target::WireServer => format!("http://{}{path}", self.endpoint),
            Target::HostGaPlugin => format!("http://{}:{}{path}", self.endpoint, target.port()),
            Target::Imds => format!("http://{IMDS}{path}"),
        };
        let before = self.opened.load(Ordering::Relaxed);
        match once(&self.platform, &uri, request) {
            Err(HttpError::Broken(_)) if self.opened.load(Ordering::Relaxed) == before => {
                once(&self.platform, &uri, request)
            }
            answered => answered,
        }
    }

    /// Downloads what the HostGAPlugin gives into a file from its beginning. Gives the status, and how many bytes were
    /// written (with a status that isn't 2xx: none).
    pub fn platform_to_file(
        &self,
        target: Target,
        path: &str,
        request: &Request<'_>,
        file: &mut File,
    ) -> Result<Stored, HttpError> {
        let uri = format!("http://{}:{}{path}", self.endpoint, target.port());
        stored(&self.platform, &uri, request, file)
    }
}
