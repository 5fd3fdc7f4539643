//! What goes wrong, where, and how often.

use serde::Deserialize;

use crate::route::Route;

/// One fault of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where; absent: everywhere.
    pub route: Option<Route>,
    /// Only targets that contain this text.
    pub path: Option<String>,
    /// So many requests pass first.
    #[serde(default)]
    pub after: u64,
    /// So many requests are hit; 0: all that follow.
    #[serde(default = "once")]
    pub count: u64,
    /// What happens to them.
    pub act: Act,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// The answer waits.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Another status, without doing what was asked.
    Status {
        /// The code.
        code: u16,
        /// `Retry-After`, seconds.
        retry_after: Option<u64>,
        /// Text of the body.
        text: Option<String>,
    },
    /// The request isn't done; the connection is reset without an answer.
    ResetBefore,
    /// The connection is reset within the body.
    ResetInBody {
        /// Bytes of the body sent before.
        after: usize,
    },
    /// The connection is closed within the body.
    Truncate {
        /// Bytes of the body sent.
        keep: usize,
    },
    /// The body comes in drops.
    SlowDrip {
        /// Bytes a drop.
        bytes: usize,
        /// Milliseconds between two.
        ms: u64,
    },
    /// `Content-Length` lies; the connection is closed after the body.
    WrongLength {
        /// What it says.
        length: u64,
    },
    /// Spaces without end and without `Content-Length`.
    EndlessBody,
    /// The body begins with EF BB BF.
    ByteOrderMark,
    /// The body is filled up with spaces.
    Oversize {
        /// Up to this length.
        bytes: u64,
    },
    /// Another body.
    Body {
        /// Its text.
        text: String,
    },
    /// The body comes chunked.
    Chunked,
    /// The body comes chunked, and the second chunk has no size.
    BadChunking,
    /// One more header.
    Header {
        /// Its name.
        name: String,
        /// Its value, sent as it is.
        value: String,
    },
}

impl Act {
    /// Its name, for the record.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Status { .. } => "status",
            Self::ResetBefore => "reset-before",
            Self::ResetInBody { .. } => "reset-in-body",
            Self::Truncate { .. } => "truncate",
            Self::SlowDrip { .. } => "slow-drip",
            Self::WrongLength { .. } => "wrong-length",
            Self::EndlessBody => "endless-body",
            Self::ByteOrderMark => "byte-order-mark",
            Self::Oversize { .. } => "oversize",
            Self::Body { .. } => "body",
            Self::Chunked => "chunked",
            Self::BadChunking => "bad-chunking",
            Self::Header { .. } => "header",
        }
    }
}

/// The faults of a run, each with the number of requests it has seen.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    faults: Vec<(Fault, u64)>,
}

impl Faults {
    /// Fresh faults.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into_iter().map(|fault| (fault, 0)).collect() }
    }

    /// What happens to this request: the first fault that is due; those before it count it too.
    pub fn due(&mut self, route: Route, target: &str) -> Option<Act> {
        for (fault, seen) in &mut self.faults {
            let aimed = fault.route.is_none_or(|aim| aim == route)
                && fault.path.as_ref().is_none_or(|path| target.contains(path.as_str()));
            if !aimed {
                continue;
            }
            *seen += 1;
            if *seen > fault.after && (fault.count == 0 || *seen <= fault.after + fault.count) {
                return Some(fault.act.clone());
            }
        }
        None
    }
}

fn once() -> u64 {
    1
}
