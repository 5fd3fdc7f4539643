//! Which proxy storage is reached through, if any. The platform itself is never asked through one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ureq::{Proxy, ProxyProtocol};
use waagent_common::config::{Config, OptionalIntegerKey, OptionalTextKey};
use waagent_common::text::shown;

use waagent_http::{HttpError, StorageUri};

/// The rule for each scheme, and whom it doesn't hold for.
#[derive(Debug, Clone)]
pub struct Proxies {
    http: Via,
    https: Via,
    no_proxy: Vec<Exception>,
}

/// How a target is reached.
#[derive(Debug, Clone)]
enum Via {
    Direct,
    Through(Box<Proxy>),
    /// What was said can't be used, and going round it would be worse: the reason.
    Refused(String),
}

/// An entry of `no_proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Everything,
    Network {
        address: u32,
        bits: u32,
    },
    /// In lower case, without a dot in front.
    Domain(String),
}

/// The environment variables of a proxy, lower case first as everybody reads them.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `http_proxy` or `HTTP_PROXY`.
    pub http: Option<String>,
    /// `https_proxy` or `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `no_proxy` or `NO_PROXY`.
    pub none: Option<String>,
}

impl Environment {
    /// What the unit gave this process.
    pub(crate) fn of_this_process() -> Self {
        let variable = |lower: &str, upper: &str| {
            let said = std::env::var(lower).ok().or_else(|| std::env::var(upper).ok());
            said.filter(|text| !text.trim().is_empty() && text.len() <= MAX)
        };
        Self {
            http: variable("http_proxy", "HTTP_PROXY"),
            https: variable("https_proxy", "HTTPS_PROXY"),
            none: variable("no_proxy", "NO_PROXY"),
        }
    }
}

impl Proxies {
    /// The configuration and the environment of this process.
    pub(crate) fn of(config: &Config) -> Self {
        Self::new(config, &Environment::of_this_process())
    }

    /// `HttpProxy.Host` wins over the environment; `no_proxy` holds for both.
    pub fn new(config: &Config, environment: &Environment) -> Self {
        let no_proxy = environment.none.as_deref().map(exceptions).unwrap_or_default();
        if let Some(host) = config.optional_text(OptionalTextKey::HttpProxyHost) {
            let way = configured(host, config.optional_integer(OptionalIntegerKey::HttpProxyPort));
            return Self { http: way.clone(), https: way, no_proxy };
        }
        let of = |name: &str, said: Option<&String>| said.map_or(Via::Direct, |url| from_url(name, url));
        Self {
            http: of("http_proxy", environment.http.as_ref()),
            https: of("https_proxy", environment.https.as_ref()),
            no_proxy,
        }
    }

    /// No proxy at all.
    pub fn none() -> Self {
        Self { http: Via::Direct, https: Via::Direct, no_proxy: Vec::new() }
    }

    /// The proxy for a blob; none: directly. An error is always `Refused`: the blob can't be reached at all.
    pub(crate) fn to(&self, uri: &StorageUri) -> Result<Option<&Proxy>, HttpError> {
        if self.no_proxy.iter().any(|exception| exception.covers(uri.host())) {
            return Ok(None);
        }
        match if uri.is_https() { &self.https } else { &self.http } {
            Via::Direct => Ok(None),
            Via::Through(proxy) => Ok(Some(proxy.as_ref())),
            Via::Refused(why) => Err(HttpError::Refused(why.clone())),
        }
    }
}

impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.https {
            Via::Direct => f.write_str("no proxy"),
            Via::Through(proxy) => write!(f, "proxy {}:{}", proxy.host(), proxy.port()),
            Via::Refused(_) => f.write_str("a proxy that can't be used"),
        }
    }
}

/// `host`, `host:port`, `http://host:port`; the key `HttpProxy.Port` wins, and 80 is what its documentation promises.
fn configured(host: &str, port: Option<u64>) -> Via {
    if host.contains('@') {
        return Via::Refused(format!("HttpProxy.Host: {CREDENTIALS}"));
    }
    let bare = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/');
    if bare.contains("://") || bare.contains('/') {
        return Via::Refused(format!("HttpProxy.Host: not a host name: '{}'; write host:port", shown(host)));
    }
    let (name, own_port) = split_port(bare);
    match port.or_else(|| own_port.and_then(|port| port.parse().ok())).or(own_port.is_none().then_some(80)) {
        Some(port) => through("HttpProxy.Host", name, port),
        None => Via::Refused(format!("HttpProxy.Host: not a port: '{}'; write host:port", shown(bare))),
    }
}

/// A URL without a port is no proxy, as with WALinuxAgent.
fn from_url(variable: &str, url: &str) -> Via {
    if url.contains('@') {
        return Via::Refused(format!("{variable}: {CREDENTIALS}"));
    }
    let url = url.trim();
    let bare = url.strip_prefix("http://").unwrap_or(url);
    if bare.contains("://") {
        return Via::Refused(format!("{variable}: not http://host:port: '{}'", shown(url)));
    }
    match split_port(bare.split('/').next().unwrap_or_default()) {
        (_, None) => Via::Direct,
        (name, Some(port)) => match port.parse() {
            Ok(port) => through(variable, name, port),
            Err(_) => {
                Via::Refused(format!("{variable}: not a port: '{}'; write http://host:port", shown(port)))
            }
        },
    }
}

fn through(what: &str, host: &str, port: u64) -> Via {
    let refuse = |why: &str| Via::Refused(format!("{what}: {why}: '{}'; write host:port", shown(host)));
    let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
        return refuse("port out of range");
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || host.len() > 253 || !host.bytes().all(plain) {
        return refuse("not a host name");
    }
    match Proxy::builder(ProxyProtocol::Http).host(host).port(port).resolve_target(false).build() {
        Ok(proxy) => Via::Through(Box::new(proxy)),
        Err(_) => refuse("not a host name"),
    }
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn exceptions(list: &str) -> Vec<Exception> {
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .take(MAX_EXCEPTIONS)
        .map(exception)
        .collect()
}

fn exception(entry: &str) -> Exception {
    if entry == "*" {
        return Exception::Everything;
    }
    let (address, bits) = entry.split_once('/').unwrap_or((entry, "32"));
    match (address.parse::<Ipv4Addr>(), bits.parse::<u32>()) {
        (Ok(address), Ok(bits @ 1..=32)) => Exception::Network { address: address.to_bits(), bits },
        _ => Exception::Domain(entry.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase()),
    }
}

impl Exception {
    fn covers(&self, host: &str) -> bool {
        match (self, host.parse::<IpAddr>()) {
            (Self::Everything, _) => true,
            (Self::Network { address, bits }, Ok(IpAddr::V4(target))) => {
                (address ^ target.to_bits()).leading_zeros() >= *bits
            }
            (Self::Network { .. }, _) => false,
            (Self::Domain(domain), Ok(_)) => *domain == host.to_ascii_lowercase(),
            (Self::Domain(domain), Err(_)) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                host.strip_suffix(domain.as_str()).is_some_and(|left| left.is_empty() || left.ends_with('.'))
            }
        }
    }
}

const CREDENTIALS: &str = "a proxy with credentials isn't supported; write host:port without them";
/// Longest variable, in bytes.
const MAX: usize = 8192;
const MAX_EXCEPTIONS: usize = 256;

#[cfg(test)]
mod tests;
