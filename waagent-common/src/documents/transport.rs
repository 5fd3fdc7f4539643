//! The transport certificate, which waagent-certs makes.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::types::Thumbprint;

/// The public half of the pair by which the platform seals certificates for this machine.
///
/// Written by waagent-certs; read by waagent-fetch, and by waagent-gate, which lets no
/// other certificate pass. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transport {
    /// The self-signed certificate, DER in base64: sent with each certificates request.
    pub certificate_der_base64: String,
    /// Its thumbprint.
    pub thumbprint: Thumbprint,
    /// End of its validity, RFC 3339.
    pub not_after: String,
    /// Counts the pairs that this machine has made.
    pub generation: u32,
}

impl Body for Transport {
    const NAME: &'static str = "transport";
    const PATH: &'static str = "/var/lib/waagent/certs/transport.json";
    const PROGRAM: &'static str = "waagent-certs";
    const WRITER: &'static str = "waagent-certs";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.whole("certificate_der_base64", self.certificate_der_base64.len(), 16 << 10);
        bounds.text("not_after", &mut self.not_after, 40);
    }
}
