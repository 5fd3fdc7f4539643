//! Plain files that extensions and tools look for under `/var/lib/waagent`, where links lead here.

use std::path::PathBuf;

use waagent_common::documents::{Endpoint, Written};
use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::root::Root;

/// The platform speaks one protocol; other software expects its name in a file.
const PROTOCOL: &str = "WireProtocol";
/// Largest of these files, in bytes.
const MAX: u64 = 64;

/// Writes `WireServerEndpoint` and `Protocol`, without a newline as readers expect, where they differ.
pub(crate) fn write(root: &Root, endpoint: &Endpoint) -> Result<Written, Fault> {
    let mut written = Written::Unchanged;
    for (path, text) in files(root, endpoint) {
        if durable::read_bounded(&path, MAX).is_ok_and(|bytes| bytes == text.as_bytes()) {
            continue;
        }
        durable::write(&path, text.as_bytes(), 0o640)?;
        written = Written::Changed;
    }
    Ok(written)
}

fn files(root: &Root, endpoint: &Endpoint) -> [(PathBuf, String); 2] {
    [
        (root.state_path("net/WireServerEndpoint"), endpoint.address.to_string()),
        (root.state_path("net/Protocol"), PROTOCOL.to_owned()),
    ]
}
