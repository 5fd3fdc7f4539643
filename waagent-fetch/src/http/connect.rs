//! Where connections come from: the gate.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use waagent_common::gate::client::socket_to;
use waagent_common::gate::protocol::{IMDS, Target};
use waagent_common::root::Root;
use waagent_http::{SocketTransport, buffers};

/// Connections to the platform: only ever those that the gate hands over.
#[derive(Debug)]
pub struct GateConnector {
    root: Root,
    opened: Arc<AtomicU64>,
}

impl GateConnector {
    /// `opened` counts the connections, so that the caller can tell a fresh one from one that was kept.
    pub fn new(root: Root, opened: Arc<AtomicU64>) -> Self {
        Self { root, opened }
    }
}

impl Connector<()> for GateConnector {
    type Out = SocketTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<SocketTransport>, Error> {
        let stream =
            socket_to(&self.root, target_of(details.uri)).map_err(|error| Error::Other(Box::new(error)))?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        SocketTransport::new(stream, buffers(details.config)).map(Some)
    }
}

fn target_of(uri: &Uri) -> Target {
    match (uri.host(), uri.port_u16()) {
        (Some(host), _) if host.parse() == Ok(IMDS) => Target::Imds,
        (_, Some(port)) if port == Target::HostGaPlugin.port() => Target::HostGaPlugin,
        _ => Target::WireServer,
    }
}

/// The library wants an address before it connects; the gate knows the real one.
#[derive(Debug)]
pub struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(addresses)
    }
}
