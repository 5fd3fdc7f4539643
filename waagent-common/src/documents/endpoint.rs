//! The address of the platform.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::words;

/// Where the WireServer is.
///
/// Written by waagent-net; read by waagent-gate, waagent-fetch and waagent-ext. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// 168.63.129.16, or another one that `Protocol.AllowedEndpoints` lists.
    pub address: Ipv4Addr,
    /// How it was found.
    pub source: EndpointSource,
    /// The interface whose lease named it, if one did.
    pub interface: Option<String>,
    /// Value of DHCP option 245 in the leases, also where it wasn't used.
    pub option_245: Option<Ipv4Addr>,
}

words! {
    /// How an endpoint was found.
    pub enum EndpointSource {
        /// `Protocol.EndpointDiscovery` isn't `dhcp`.
        Configured = "configured",
        /// Nothing else was found, and a host route (/32) leads to the well-known address.
        Route = "route",
        /// A lease file of this machine's DHCP client.
        Lease = "lease",
        /// Nothing else was found: the well-known address.
        Default = "default",
    }
}

impl Endpoint {
    /// The platform's server in all public and sovereign clouds.
    pub const WELL_KNOWN: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

    /// May this address be the platform's server? The well-known one may; another one if `Protocol.AllowedEndpoints`
    /// lists it, and it is an address that another machine can have.
    pub fn may_be(address: Ipv4Addr, allowed: &[Ipv4Addr]) -> bool {
        let odd = address.is_loopback()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_unspecified();
        address == Self::WELL_KNOWN || (allowed.contains(&address) && !odd)
    }
}

impl Body for Endpoint {
    const NAME: &'static str = "endpoint";
    const PATH: &'static str = "/var/lib/waagent/net/endpoint.json";
    const PROGRAM: &'static str = "waagent-net";
    const WRITER: &'static str = "waagent-net";

    fn bounds(&mut self, bounds: &mut Bounds) {
        // IFNAMSIZ of linux/if.h.
        bounds.whole("interface", self.interface.as_ref().map_or(0, String::len), 15);
    }
}
