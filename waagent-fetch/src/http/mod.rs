//! The HTTP client: all that leaves or reaches this machine by HTTP passes here.
//!
//! Platform requests go through the gate, each by a stream of its own; storage requests open their own connection, by TLS,
//! perhaps through a proxy, and leave nothing behind. Each call has a limit for time and bytes.
//! Redirects are answers like any other. A status that isn't 2xx is an answer too: callers look at it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{HeaderName, HeaderValue, Method, Request as HttpRequest, Uri};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, NativeTlsConnector};
use ureq::{Agent, Body, Proxy};
use waagent_common::AGENT_VERSION;
use waagent_common::gate::protocol::host_of;
use waagent_common::resident;
use waagent_common::root::Root;

mod body;
mod connect;
mod error;
mod gate;
mod message;
mod transport;
mod uri;

use body::{Bounded, ERROR_BODY};

pub use body::Stored;
pub(crate) use body::stored;
pub use error::HttpError;
pub use message::{Request, Response, Verb};
pub use uri::{PlatformUri, StorageUri, without_query};
pub use waagent_common::gate::protocol::Target;

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

pub(crate) fn once(agent: &Agent, uri: &str, request: &Request<'_>) -> Result<Response, HttpError> {
    let (head, body) = send(agent, uri, request)?.into_parts();
    let (limit, cut) = if head.status.is_success() { (request.limit, false) } else { (ERROR_BODY, true) };
    let body = Bounded { limit, cut }.read(body, request.timeout)?;
    Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
}

fn send(agent: &Agent, uri: &str, request: &Request<'_>) -> Result<ureq::http::Response<Body>, HttpError> {
    let uri: Uri =
        uri.parse().map_err(|error| HttpError::Refused(format!("'{}': {error}", without_query(uri))))?;
    let failed = |error| HttpError::of(error, request.timeout.as_secs());
    // A poll is many requests, each as long as its own time: to ask is a sign of life.
    resident::sign();
    let answer = if request.method == Verb::Get {
        let request =
            agent.configure_request(build(&uri, request, ())?).timeout_global(Some(request.timeout));
        agent.run(request.build())
    } else {
        let body = request.body;
        let request =
            agent.configure_request(build(&uri, request, body)?).timeout_global(Some(request.timeout));
        agent.run(request.build())
    }
    .map_err(failed)?;
    if answer.headers().len() > MAX_HEADERS {
        return Err(HttpError::Broken(format!("more than {MAX_HEADERS} header lines")));
    }
    match answer.headers().get("content-encoding") {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(HttpError::Broken("a content encoding that wasn't asked for".to_owned()))
        }
        _ => Ok(answer),
    }
}

fn build<B>(uri: &Uri, request: &Request<'_>, body: B) -> Result<HttpRequest<B>, HttpError> {
    let mut dressed = HttpRequest::new(body);
    *dressed.uri_mut() = uri.clone();
    *dressed.method_mut() = match request.method {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
    };
    for (name, value) in &request.headers {
        // A hostile goal state must not be able to add headers by what it puts into one.
        if !value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            return Err(HttpError::Refused(format!("header '{name}': a character that no header may have")));
        }
        let value = HeaderValue::from_str(value)
            .map_err(|error| HttpError::Refused(format!("header '{name}': {error}")))?;
        dressed.headers_mut().append(HeaderName::from_static(name), value);
    }
    Ok(dressed)
}

pub(crate) fn storage_agent(timeout: Duration, proxy: Option<&Proxy>) -> Agent {
    let connector = ConnectProxyConnector::default()
        .chain(connect::StorageConnector)
        .chain(NativeTlsConnector::default());
    Agent::with_parts(configuration(timeout, proxy), connector, DefaultResolver::default())
}

fn configuration(timeout: Duration, proxy: Option<&Proxy>) -> Config {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier);
    Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy.cloned())
        .tls_config(tls.build())
        .user_agent(format!("WALinuxAgent/{AGENT_VERSION}"))
        .accept("")
        .accept_encoding("identity")
        .max_response_header_size(HEADER_BYTES)
        .input_buffer_size(HEADER_BYTES)
        .output_buffer_size(16 << 10)
        .max_idle_connections_per_host(1)
        .timeout_global(Some(timeout))
        .build()
}

/// Connect, headers and body of a request to the platform (certificates and packages ask for more).
pub const PLATFORM_TIME: Duration = Duration::from_secs(30);
/// The same for storage.
pub const STORAGE_TIME: Duration = Duration::from_secs(60);
/// Header lines and bytes of an answer.
const MAX_HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 << 10;
