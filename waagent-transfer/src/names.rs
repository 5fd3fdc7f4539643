//! Names of hosts, and that none of them leads to the platform.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use waagent_common::documents::Endpoint;
use waagent_common::text::shown;
use waagent_http::{HttpError, NO_HOST};

/// The platform's addresses: the firewall closes them to this user, where there is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Platform(Vec<Ipv4Addr>);

impl Platform {
    /// The well-known ones and these. One on this machine is a proxy for the platform and holds the address alone.
    pub(crate) fn new(endpoints: &[Ipv4Addr]) -> Self {
        let others = endpoints.iter().copied().filter(|address| !address.is_loopback());
        Self([Endpoint::WELL_KNOWN, METADATA_SERVICE].into_iter().chain(others).collect())
    }

    fn has(&self, address: IpAddr) -> bool {
        matches!(address.to_canonical(), IpAddr::V4(address) if self.0.contains(&address))
    }

    /// Refuses a host that is written as such an address, or as a number that somebody may take for one: a proxy looks
    /// names up itself.
    pub(crate) fn refuse(&self, host: &str) -> Result<(), HttpError> {
        let host = host.trim_end_matches('.');
        let last = host.rsplit('.').next().unwrap_or_default();
        match host.parse() {
            Ok(address) if self.has(address) => Err(refused()),
            // No domain ends in a label that begins with a digit, but 0xa83f8110 and 168.4161808 are addresses to many.
            Err(_) if last.starts_with(|c: char| c.is_ascii_digit()) => {
                Err(HttpError::Refused("a number that is no address isn't the name of a host".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// The system's resolver, without the platform.
#[derive(Debug)]
pub(crate) struct Names {
    platform: Platform,
    inner: DefaultResolver,
}

impl Names {
    pub(crate) fn new(platform: Platform) -> Self {
        Self { platform, inner: DefaultResolver::default() }
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let addresses = self.inner.resolve(uri, config, timeout).map_err(|error| match error {
            Error::Io(why) => Error::Other(Box::new(not_found(&why))),
            error => error,
        })?;
        if addresses.iter().any(|address| self.platform.has(address.ip())) {
            return Err(Error::Other(Box::new(refused())));
        }
        Ok(addresses)
    }
}

/// With the resolver's reason, which is behind what the library says of it: it has no kinds for it.
fn not_found(why: &io::Error) -> HttpError {
    let why = why.to_string();
    let reason = why.split_once(": ").map_or(why.as_str(), |(_, reason)| reason);
    HttpError::Connect(format!("{NO_HOST}: {}", shown(reason)))
}

/// Of every machine; no configuration moves it.
const METADATA_SERVICE: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

fn refused() -> HttpError {
    HttpError::Refused("it leads to an address of the platform, where no blobs are".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_the_platform_however_it_is_written() {
        let platform = Platform::new(&[Ipv4Addr::new(10, 0, 0, 4), Ipv4Addr::LOCALHOST]);
        for host in [
            "168.63.129.16",
            "169.254.169.254",
            "169.254.169.254.",
            "::ffff:168.63.129.16",
            "10.0.0.4",
            "2822734096",
            "0xa83f8110",
            "168.4161808",
            "0250.077.0201.020",
        ] {
            assert!(platform.refuse(host).is_err(), "{host}");
        }
        for host in [
            "a.blob.core.windows.net",
            "127.0.0.1",
            "::1",
            "168.63.129.17",
            "3com.example",
            "fe80::1",
            "localhost",
        ] {
            assert!(platform.refuse(host).is_ok(), "{host}");
        }
    }
}
