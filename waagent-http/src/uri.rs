//! URIs that the platform gives us, checked once at the border.

use std::fmt;
use std::net::Ipv4Addr;

use ureq::http::Uri;
use waagent_common::gate::protocol::Target;

use super::HttpError;

/// An absolute URI of a goal state that leads back to the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformUri {
    /// Who answers.
    pub target: Target,
    /// `/machine/...?comp=...`
    pub path: String,
}

impl PlatformUri {
    /// Accepts plain http to the endpoint in use, on the two ports of the platform: a damaged goal state can't make
    /// us ask somebody else.
    pub fn parse(text: &str, endpoint: Ipv4Addr) -> Result<Self, HttpError> {
        let uri = checked(text)?;
        let refuse = |why: &str| Err(HttpError::Refused(format!("'{}': {why}", without_query(text))));
        if uri.scheme_str() != Some("http") {
            return refuse("the platform's URIs are http");
        }
        if uri.host() != Some(endpoint.to_string().as_str()) {
            return refuse(&format!("its host isn't the WireServer, {endpoint}"));
        }
        let target = match uri.port_u16() {
            None | Some(80) => Target::WireServer,
            Some(32526) => Target::HostGaPlugin,
            Some(_) => return refuse("its port is neither 80 nor 32526"),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { target, path })
    }
}

/// An absolute URI of a blob. Its query is a bearer token: neither Debug nor Display shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageUri(String);

impl StorageUri {
    /// Accepts https, and plain http where `OS.AllowHTTP` allows it.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, HttpError> {
        let uri = checked(text)?;
        let refuse = |why: &str| Err(HttpError::Refused(format!("'{}': {why}", without_query(text))));
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if allow_http => {}
            Some("http") => return refuse("http isn't allowed for storage; see OS.AllowHTTP"),
            _ => return refuse("its scheme isn't https"),
        }
        if uri.host().is_none_or(str::is_empty) {
            return refuse("it names no host");
        }
        Ok(Self(text.to_owned()))
    }

    /// The URI with its query.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URI without its query, for documents and messages.
    pub fn public(&self) -> &str {
        without_query(&self.0)
    }

    /// Name or address of the host, without brackets and port.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Is it by TLS?
    pub fn is_https(&self) -> bool {
        self.0.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// The same blob with one more query parameter.
    #[must_use]
    pub fn with_query(&self, parameter: &str) -> Self {
        let separator = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{separator}{parameter}", self.0))
    }
}

impl fmt::Debug for StorageUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageUri({})", self.public())
    }
}

impl fmt::Display for StorageUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.public())
    }
}

/// Bounds and characters that hold for both kinds.
fn checked(text: &str) -> Result<Uri, HttpError> {
    let refuse = |why: &str| HttpError::Refused(format!("'{}': {why}", without_query(text)));
    if text.len() > MAX {
        return Err(refuse("it is longer than 4096 bytes"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(refuse("it has a character that no URI has"));
    }
    let uri = text.parse::<Uri>().map_err(|error| refuse(&error.to_string()))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(refuse("it has user information"));
    }
    Ok(uri)
}

/// What may be shown of a URI: up to its query, in one line, at most 200 bytes.
pub fn without_query(text: &str) -> &str {
    let end = text.find(|c: char| c == '?' || c == '#' || c.is_control()).unwrap_or(text.len());
    waagent_common::text::cut(text.get(..end).unwrap_or_default(), waagent_common::text::SHOWN)
}

/// Longest URI, in bytes; SAS URIs of packages stay below 1 KiB.
const MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use waagent_common::documents::Endpoint;

    use super::*;

    const ENDPOINT: Ipv4Addr = Endpoint::WELL_KNOWN;

    #[test]
    fn takes_the_platforms_own_uris() {
        let uri =
            PlatformUri::parse("http://168.63.129.16:80/machine/x/y%2Fz?comp=config&n=1", ENDPOINT).unwrap();
        assert_eq!((uri.target, uri.path.as_str()), (Target::WireServer, "/machine/x/y%2Fz?comp=config&n=1"));
        let plugin = PlatformUri::parse("http://168.63.129.16:32526/x", ENDPOINT).unwrap();
        assert_eq!(plugin.target, Target::HostGaPlugin);
    }

    #[test]
    fn refuses_uris_that_lead_elsewhere() {
        for (text, why) in [
            ("http://169.254.169.254/metadata?a=secret", "host isn't the WireServer"),
            ("https://168.63.129.16/", "are http"),
            ("http://168.63.129.16:22/", "port"),
            ("http://root@168.63.129.16/", "user information"),
            ("http://168.63.129.16/\r\nx-evil: 1", "character"),
            ("/machine", "are http"),
            ("http://168.63.129.160/", "host isn't"),
        ] {
            let error = PlatformUri::parse(text, ENDPOINT).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn refuses_storage_without_tls_unless_allowed() {
        assert!(StorageUri::parse("https://a.blob.core.windows.net/c/b?sig=s", false).is_ok());
        assert!(StorageUri::parse("http://a/b?sig=s", true).is_ok());
        for (text, allow) in
            [("http://a/b?sig=s", false), ("ftp://a/b?sig=s", true), ("https://u:p@a/b", true)]
        {
            let error = StorageUri::parse(text, allow).unwrap_err().to_string();
            assert!(!error.contains("sig"), "{error}");
        }
    }

    #[test]
    fn never_shows_a_signature() {
        let uri = StorageUri::parse("https://a/b?sig=s", false).unwrap();
        assert_eq!(format!("{uri} {uri:?}"), "https://a/b StorageUri(https://a/b)");
        assert_eq!(uri.with_query("comp=page").expose(), "https://a/b?sig=s&comp=page");
    }
}
