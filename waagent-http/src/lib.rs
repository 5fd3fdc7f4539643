//! One exchange by HTTP within bounds of time and bytes, whoever opens the connection.
//!
//! Redirects are answers like any other. A status that isn't 2xx is an answer too: callers look at it. There is no TLS in
//! here: the library speaks on the transport that it is given.
#![forbid(unsafe_code)]

use std::time::Duration;

use ureq::config::Config;
use ureq::http::{HeaderName, HeaderValue, Method, Request as HttpRequest, Uri};
use ureq::unversioned::transport::LazyBuffers;
use ureq::{Agent, AsSendBody, Body, Proxy};
use waagent_common::AGENT_VERSION;
use waagent_common::resident;

mod body;
mod error;
mod message;
mod transport;
mod uri;

pub use body::{Bounded, ERROR_BODY, Stored, copy, stored};
pub use error::{HttpError, NO_HOST, tls_reason};
pub use message::{Request, Response, Verb};
pub use transport::{Caller, SocketTransport};
pub use uri::{PlatformUri, StorageUri, without_query};

/// Sends a request, and reads the answer into memory.
pub fn once(agent: &Agent, uri: &str, request: &Request<'_>) -> Result<Response, HttpError> {
    let (head, body) = exchange(agent, uri, request, request.body)?.into_parts();
    let status = head.status.as_u16();
    let body = Bounded::of(status, request).read(body, request.timeout)?;
    Ok(Response { status, headers: head.headers, body })
}

/// Sends a request with this body, and gives the answer as soon as its head is there. A GET has no body.
pub fn exchange(
    agent: &Agent,
    uri: &str,
    request: &Request<'_>,
    body: impl AsSendBody,
) -> Result<ureq::http::Response<Body>, HttpError> {
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

/// How an agent asks: no redirects, no encodings, bounds for heads, one kept connection for each host.
pub fn configuration(timeout: Duration, proxy: Option<&Proxy>) -> Config {
    Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy.cloned())
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

/// The buffers that such an agent wants of a transport.
pub fn buffers(config: &Config) -> LazyBuffers {
    LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size())
}

/// Connect, headers and body of a request to the platform (certificates and packages ask for more).
pub const PLATFORM_TIME: Duration = Duration::from_secs(30);
/// The same for storage.
pub const STORAGE_TIME: Duration = Duration::from_secs(60);
/// Header lines and bytes of an answer.
const MAX_HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 << 10;
