//! What may be asked of the platform: one row for each request that waagent-fetch makes, and nothing else.

use waagent_common::gate::protocol::Target;

use crate::head::Method;

/// One kind of request.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Of whom.
    pub target: Target,
    /// How.
    pub method: Method,
    /// What.
    pub path: Path,
    /// Names of headers, in lower case, besides those of [`EVERYWHERE`].
    pub headers: &'static [&'static str],
    /// Longest body, in bytes; with GET always 0.
    pub body: u64,
    /// Longest answer, its head included, in bytes.
    pub answer: u64,
    /// What it is for.
    pub why: &'static str,
}

/// The form of path and query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// These bytes.
    Exactly(&'static str),
    /// These bytes and whatever comes after them, as long as no reader could take it for another folder's.
    Below(&'static str),
}

impl Path {
    /// As people read it.
    pub fn shown(self) -> String {
        match self {
            Self::Exactly(path) => path.to_owned(),
            Self::Below(folder) => format!("{folder}..."),
        }
    }
}

/// Every row.
pub const ROWS: &[Row] = &[
    Row {
        target: Target::WireServer,
        method: Method::Get,
        path: Path::Exactly("/?comp=versions"),
        headers: &[],
        body: 0,
        answer: MIB,
        why: "does the platform speak our version of the protocol?",
    },
    Row {
        target: Target::WireServer,
        method: Method::Get,
        path: Path::Below("/machine/"),
        headers: &[AGENT_NAME, VERSION, CERTIFICATE, "x-ms-cipher-name"],
        body: 0,
        answer: 16 * MIB,
        why: "goal state and its parts, by the URIs that it names; what is sealed, for this machine's certificate alone",
    },
    Row {
        target: Target::WireServer,
        method: Method::Post,
        path: Path::Exactly("/machine?comp=health"),
        headers: &[AGENT_NAME, VERSION, "content-type"],
        body: 16 * KIB,
        answer: MIB,
        why: "how provisioning is",
    },
    Row {
        target: Target::WireServer,
        method: Method::Post,
        path: Path::Exactly("/machine?comp=roleProperties"),
        headers: &[AGENT_NAME, VERSION, "content-type"],
        body: 16 * KIB,
        answer: MIB,
        why: "the fingerprint of the host key",
    },
    Row {
        target: Target::HostGaPlugin,
        method: Method::Get,
        path: Path::Exactly("/versions"),
        headers: &[CONTAINER],
        body: 0,
        answer: MIB,
        why: "does the host's plugin speak our version?",
    },
    Row {
        target: Target::HostGaPlugin,
        method: Method::Get,
        path: Path::Exactly("/vmSettings"),
        headers: &[VERSION, CONTAINER, CONFIG_NAME, "x-ms-client-correlationid", "if-none-match"],
        body: 0,
        answer: 16 * MIB,
        why: "the extensions' part of the goal state, by Fast Track",
    },
    Row {
        target: Target::HostGaPlugin,
        method: Method::Get,
        path: Path::Exactly("/extensionArtifact"),
        headers: &[
            VERSION,
            CONTAINER,
            CONFIG_NAME,
            "x-ms-artifact-location",
            "x-ms-artifact-manifest-location",
            "x-ms-verify-from-artifacts-blob",
        ],
        body: 0,
        answer: GIB,
        why: "a blob that the host fetches: profile, manifests, packages",
    },
    Row {
        target: Target::HostGaPlugin,
        method: Method::Put,
        path: Path::Exactly("/status"),
        headers: &[VERSION, CONTAINER, CONFIG_NAME, "content-type"],
        body: 8 * MIB,
        answer: MIB,
        why: "the status of the extensions, which the host writes into its blob",
    },
];

/// Names that each request may have. `Host` and `Content-Length` are read and written by the gate itself.
pub const EVERYWHERE: &[&str] = &["accept-encoding", "user-agent"];

/// By it the platform knows for whom to seal: with another one, for somebody else.
pub const CERTIFICATE: &str = "x-ms-guest-agent-public-x509-cert";

const AGENT_NAME: &str = "x-ms-agent-name";
const VERSION: &str = "x-ms-version";
const CONTAINER: &str = "x-ms-containerid";
const CONFIG_NAME: &str = "x-ms-host-config-name";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
