//! Which address is the platform's server: by configuration, by lease, else the well-known one (which a host
//! route only confirms). Never waits.

use std::net::Ipv4Addr;

use waagent_common::config::{Config, TextKey};
use waagent_common::digest::sha256;
use waagent_common::documents::{Document, Endpoint, EndpointSource, Inputs};
use waagent_common::log;
use waagent_common::root::Root;

use crate::leases::{self, Lease, files};
use crate::route::Routes;

/// An endpoint, what it was made from, and what is odd about that.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// For `net/endpoint.json`.
    pub(crate) body: Endpoint,
    /// Digests of leases, route and configuration: of what they say, since their files change with each renewal.
    pub(crate) inputs: Inputs,
    /// An address that was refused.
    pub(crate) refused: Option<String>,
}

/// Looks at leases, routes and configuration.
pub(crate) fn find(root: &Root, config: &Config) -> Finding {
    let dhcp = config.text(TextKey::ProtocolEndpointDiscovery) == "dhcp";
    let leases = if dhcp { files::read(root) } else { Vec::new() };
    let routes = Routes::read();
    let mut finding = decide(dhcp, &config.allowed_endpoints(), &leases, &routes);
    finding.inputs = finding.inputs.digest("configuration", &config.digest_for("waagent-net"));
    finding
}

/// The last known address for a time when no network is up: that of the document, if it may still be used.
pub(crate) fn known(root: &Root, config: &Config) -> (Ipv4Addr, Option<Document<Endpoint>>) {
    match Document::<Endpoint>::read_if_there(root) {
        Ok(Some(document)) if Endpoint::may_be(document.body.address, &config.allowed_endpoints()) => {
            (document.body.address, Some(document))
        }
        Ok(None) => (Endpoint::WELL_KNOWN, None),
        Ok(Some(document)) => {
            let address = document.body.address;
            log::warning(&format!(
                "net/endpoint.json: body.address: {address} isn't in Protocol.AllowedEndpoints, using {}",
                Endpoint::WELL_KNOWN
            ));
            (Endpoint::WELL_KNOWN, Some(document))
        }
        Err(fault) => {
            log::warning(&format!("{fault}, using {}", Endpoint::WELL_KNOWN));
            (Endpoint::WELL_KNOWN, None)
        }
    }
}

/// Leases first: reading them costs nothing, and on Azure Stack the well-known address is wrong.
fn decide(dhcp: bool, allowed: &[Ipv4Addr], leases: &[Lease], routes: &Routes) -> Finding {
    let (good, bad): (Vec<Lease>, Vec<Lease>) =
        leases.iter().cloned().partition(|lease| Endpoint::may_be(lease.address, allowed));
    let lease = leases::best(&good, routes.primary());
    let refused = leases::best(&bad, routes.primary());
    let direct = routes.lead_to(Endpoint::WELL_KNOWN);
    let (address, source) = match lease {
        _ if !dhcp => (configured(allowed), EndpointSource::Configured),
        Some(lease) => (lease.address, EndpointSource::Lease),
        None if direct => (Endpoint::WELL_KNOWN, EndpointSource::Route),
        None => (Endpoint::WELL_KNOWN, EndpointSource::Default),
    };
    let body = Endpoint {
        address,
        source,
        interface: lease.and_then(|lease| lease.interface.clone()),
        option_245: lease.or(refused).map(|lease| lease.address),
    };
    let inputs = Inputs::new()
        .digest("leases", &sha256(said(leases).as_bytes()))
        .digest("route", if direct { "present" } else { "absent" });
    Finding { body, inputs, refused: refused.map(refusal) }
}

/// Without DHCP the administrator's list says which, if it says any.
fn configured(allowed: &[Ipv4Addr]) -> Ipv4Addr {
    let usable = allowed.iter().find(|address| Endpoint::may_be(**address, allowed));
    usable.copied().unwrap_or(Endpoint::WELL_KNOWN)
}

fn said(leases: &[Lease]) -> String {
    leases
        .iter()
        .map(|lease| {
            let interface = lease.interface.as_deref().unwrap_or("-");
            format!("{} {interface} {}\n", lease.file, lease.address)
        })
        .collect()
}

fn refusal(lease: &Lease) -> String {
    format!(
        "lease '{}' names {} as WireServer (option 245), which Protocol.AllowedEndpoints doesn't list, ignoring",
        lease.file, lease.address
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const STACK: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

    fn lease(interface: &str, address: Ipv4Addr, age: u64) -> Lease {
        Lease {
            file: format!("/run/{interface}"),
            interface: Some(interface.to_owned()),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age),
            address,
        }
    }

    fn default_route(interface: &str) -> Routes {
        let row = format!("{interface} 00000000 0100000A 0003 0 0 100 00000000 0 0 0");
        Routes::parse(&format!(
            "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n{row}"
        ))
    }

    #[test]
    fn takes_an_allowed_address_of_a_lease() {
        let found = decide(true, &[STACK], &[lease("eth0", STACK, 0)], &Routes::default());
        assert_eq!((found.body.address, found.body.source), (STACK, EndpointSource::Lease));
        assert_eq!(found.body.interface.as_deref(), Some("eth0"));
        assert_eq!(found.refused, None);
    }

    #[test]
    fn refuses_an_address_of_a_lease_that_is_not_allowed() {
        // A DHCP server that lies. An allowed list can't make this machine the platform either.
        for (address, allowed) in [(STACK, &[][..]), (Ipv4Addr::LOCALHOST, &[Ipv4Addr::LOCALHOST][..])] {
            let found = decide(true, allowed, &[lease("eth0", address, 0)], &Routes::default());
            assert_eq!(found.body.address, Endpoint::WELL_KNOWN);
            assert_eq!((found.body.source, found.body.option_245), (EndpointSource::Default, Some(address)));
            assert!(found.refused.unwrap().contains(&format!("'/run/eth0' names {address}")));
        }
    }

    #[test]
    fn a_false_lease_does_not_hide_a_good_one() {
        let leases = [lease("eth1", STACK, 0), lease("eth0", Endpoint::WELL_KNOWN, 9)];
        let found = decide(true, &[], &leases, &default_route("eth1"));
        assert_eq!((found.body.address, found.body.source), (Endpoint::WELL_KNOWN, EndpointSource::Lease));
        assert_eq!(found.body.interface.as_deref(), Some("eth0"));
    }

    #[test]
    fn prefers_the_primary_interface_then_the_newest_lease() {
        // Two cards, in both orders.
        let other = Ipv4Addr::new(10, 9, 8, 8);
        let mut leases = vec![lease("eth0", STACK, 9), lease("eth1", other, 0)];
        for _ in 0..2 {
            leases.reverse();
            let found = decide(true, &[STACK, other], &leases, &default_route("eth0"));
            assert_eq!(found.body.address, STACK);
            let found = decide(true, &[STACK, other], &leases, &Routes::default());
            assert_eq!(found.body.address, other);
        }
    }

    #[test]
    fn without_dhcp_the_configuration_decides() {
        let found = decide(false, &[STACK], &[], &Routes::default());
        assert_eq!((found.body.address, found.body.source), (STACK, EndpointSource::Configured));
        assert_eq!(decide(false, &[], &[], &Routes::default()).body.address, Endpoint::WELL_KNOWN);
    }
}
