//! What may be asked of the platform: one row for each request that waagent-fetch makes, and nothing else.

use waagent_common::gate::protocol::Target;

use crate::head::Method;
use crate::values::Values;

/// One kind of request.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Of whom.
    pub target: Target,
    /// How.
    pub method: Method,
    /// What.
    pub path: Path,
    /// Names of headers, in lower case, besides those of [`EVERYWHERE`]; and what they may say.
    pub headers: &'static [Header],
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
        headers: &[
            AGENT_NAME,
            WIRE_VERSION,
            // Compared by itself.
            (CERTIFICATE, Values::Any),
            ("x-ms-cipher-name", Values::OneOf(&["AES128_CBC", "DES_EDE3_CBC"])),
        ],
        body: 0,
        answer: 16 * MIB,
        why: "goal state and its parts, by the URIs that it names; what is sealed, for this machine's certificate alone",
    },
    Row {
        target: Target::WireServer,
        method: Method::Post,
        path: Path::Exactly("/machine?comp=health"),
        headers: &[AGENT_NAME, WIRE_VERSION, CONTENT_TYPE],
        body: 16 * KIB,
        answer: MIB,
        why: "how provisioning is",
    },
    Row {
        target: Target::WireServer,
        method: Method::Post,
        path: Path::Exactly("/machine?comp=roleProperties"),
        headers: &[AGENT_NAME, WIRE_VERSION, CONTENT_TYPE],
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
        headers: &[
            PLUGIN_VERSION,
            CONTAINER,
            CONFIG_NAME,
            ("x-ms-client-correlationid", Values::Any),
            ("if-none-match", Values::Any),
        ],
        body: 0,
        answer: 16 * MIB,
        why: "the extensions' part of the goal state, by Fast Track",
    },
    Row {
        target: Target::HostGaPlugin,
        method: Method::Get,
        path: Path::Exactly("/extensionArtifact"),
        headers: &[
            PLUGIN_VERSION,
            CONTAINER,
            CONFIG_NAME,
            ("x-ms-artifact-location", Values::Blob),
            ("x-ms-artifact-manifest-location", Values::Blob),
            ("x-ms-verify-from-artifacts-blob", Values::OneOf(&["true"])),
        ],
        body: 0,
        answer: GIB,
        why: "a blob that the host fetches: profile, manifests, packages",
    },
    Row {
        target: Target::HostGaPlugin,
        method: Method::Put,
        path: Path::Exactly("/status"),
        headers: &[PLUGIN_VERSION, CONTAINER, CONFIG_NAME, CONTENT_TYPE],
        body: 8 * MIB,
        answer: MIB,
        why: "the status of the extensions, which the host writes into its blob",
    },
];

/// Names that each request may have. `Host` and `Content-Length` are read and written by the gate itself.
pub const EVERYWHERE: &[&str] = &["accept-encoding", "user-agent"];

/// By it the platform knows for whom to seal: with another one, for somebody else.
pub const CERTIFICATE: &str = "x-ms-guest-agent-public-x509-cert";

/// A name and its values.
pub type Header = (&'static str, Values);

const AGENT_NAME: Header = ("x-ms-agent-name", Values::OneOf(&["WALinuxAgent"]));
const WIRE_VERSION: Header = ("x-ms-version", Values::OneOf(&["2012-11-30"]));
const PLUGIN_VERSION: Header = ("x-ms-version", Values::OneOf(&["2015-09-01"]));
const CONTAINER: Header = ("x-ms-containerid", Values::Any);
const CONFIG_NAME: Header = ("x-ms-host-config-name", Values::Any);
const CONTENT_TYPE: Header = ("content-type", Values::Any);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
