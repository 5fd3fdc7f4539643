//! The HTTP client of the platform: each request goes through the gate, by a stream of its own, within limits of time and
//! bytes.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};

use ureq::Agent;
use waagent_common::gate::protocol::host_of;
use waagent_common::root::Root;
use waagent_http::{configuration, once, stored};

mod gate;

pub use waagent_common::gate::protocol::Target;
pub use waagent_http::{
    HttpError, PLATFORM_TIME, PlatformUri, Request, Response, STORAGE_TIME, StorageUri, Stored, Verb,
    without_query,
};

/// The client of the platform.
#[derive(Debug, Clone)]
pub struct Client {
    platform: Agent,
    endpoint: Ipv4Addr,
}

impl Client {
    /// A client for the WireServer at `endpoint`, which is also what `Host` says.
    pub fn new(root: &Root, endpoint: Ipv4Addr) -> Self {
        let connector = gate::GateConnector::new(root.clone());
        let platform = Agent::with_parts(configuration(PLATFORM_TIME, None), connector, gate::NoResolver);
        Self { platform, endpoint }
    }

    /// The WireServer's address.
    pub fn endpoint(&self) -> Ipv4Addr {
        self.endpoint
    }

    /// Asks the platform. `path` is path and query.
    pub fn platform(&self, target: Target, path: &str, request: &Request<'_>) -> Result<Response, HttpError> {
        once(&self.platform, &self.uri(target, path), request)
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
        stored(&self.platform, &self.uri(target, path), request, file)
    }

    fn uri(&self, target: Target, path: &str) -> String {
        format!("http://{}{path}", host_of(SocketAddrV4::new(self.endpoint, target.port())))
    }
}
