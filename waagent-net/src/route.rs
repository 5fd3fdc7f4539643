//! Routes, by `/proc/net/route`: does one lead to the WireServer alone, and which interface is the primary one?

use std::net::Ipv4Addr;
use std::path::Path;

use waagent_common::durable::read_bounded;
use waagent_common::log;

/// The calling process's own network namespace; `/proc/net` is a link to it.
const ROUTES: &str = "/proc/self/net/route";
/// Largest table that is looked at, in bytes: 8 000 routes.
const MAX: u64 = 1 << 20;
/// `RTF_GATEWAY` of linux/route.h.
const GATEWAY: u32 = 2;

/// What the routing table tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    interface: String,
    destination: Ipv4Addr,
    mask: Ipv4Addr,
    flags: u32,
    metric: u32,
}

impl Routes {
    /// Reads the table; one that can't be read counts as empty.
    pub(crate) fn read() -> Self {
        match read_bounded(Path::new(ROUTES), MAX) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes)),
            Err(fault) => {
                log::warning(&format!("{fault}, using no routes"));
                Self::default()
            }
        }
    }

    /// Columns by the header's names; a row that makes no sense isn't there.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        Self { rows: lines.filter_map(|line| row(&header, line)).collect() }
    }

    /// Is there a route to exactly this address?
    pub(crate) fn lead_to(&self, address: Ipv4Addr) -> bool {
        self.rows.iter().any(|row| row.destination == address && row.mask == Ipv4Addr::BROADCAST)
    }

    /// The interface of the default route with the lowest metric, the first among equals.
    pub(crate) fn primary(&self) -> Option<&str> {
        let default = |row: &&Row| {
            row.destination.is_unspecified() && row.mask.is_unspecified() && row.flags & GATEWAY != 0
        };
        self.rows.iter().filter(default).min_by_key(|row| row.metric).map(|row| row.interface.as_str())
    }
}

fn row(header: &[&str], line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let field = |name: &str| {
        let column = header.iter().position(|title| *title == name)?;
        fields.get(column).copied()
    };
    // The kernel prints addresses as numbers in its own byte order.
    let address =
        |text: &str| u32::from_str_radix(text, 16).ok().map(|number| Ipv4Addr::from(number.to_ne_bytes()));
    Some(Row {
        interface: field("Iface")?.chars().take(15).collect(),
        destination: address(field("Destination")?)?,
        mask: address(field("Mask")?)?,
        flags: u32::from_str_radix(field("Flags")?, 16).ok()?,
        metric: field("Metric")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use waagent_common::documents::Endpoint;

    use super::*;

    const WIRESERVER: Ipv4Addr = Endpoint::WELL_KNOWN;
    const HEADER: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";

    fn table(rows: &[&str]) -> Routes {
        Routes::parse(&format!("{HEADER}\n{}\n", rows.join("\n")))
    }

    #[test]
    fn finds_the_host_route_and_the_primary_interface() {
        // Two cards, in both orders.
        let first = "eth1\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0";
        let second = "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0";
        let host = "eth0\t10813FA8\t0100000A\t0007\t0\t0\t100\tFFFFFFFF\t0\t0\t0";
        for rows in [[first, second, host], [second, host, first]] {
            let routes = table(&rows);
            assert!(routes.lead_to(WIRESERVER));
            assert_eq!(routes.primary(), Some("eth0"));
        }
    }

    #[test]
    fn a_wider_network_or_a_gateway_of_that_address_is_no_route_to_it() {
        let routes = table(&[
            "eth0\t00813FA8\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "eth0\t00000000\t10813FA8\t0001\t0\t0\t0\t00000000\t0\t0\t0",
        ]);
        assert!(!routes.lead_to(WIRESERVER));
        assert_eq!(routes.primary(), None);
    }

    #[test]
    fn survives_an_empty_headless_or_torn_table() {
        for text in ["", "\n", HEADER, "eth0\t10813FA8\t0\t0007", &format!("{HEADER}\neth0\tXX\t\u{0}\n\t")] {
            assert_eq!(Routes::parse(text), Routes::default(), "{text:?}");
        }
    }
}
