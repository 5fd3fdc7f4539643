//! Where DHCP clients keep their leases, and how each writes them.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use waagent_common::durable::read_bounded;
use waagent_common::fault::Exit;
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::text::shown;
use waagent_common::time::unix_seconds;

use super::{Found, Lease, dhclient, dhcpcd, keyvalue};
use crate::links;

/// Largest lease file, in bytes.
const MAX: u64 = 1 << 20;
/// Files of one folder that are looked at.
const MAX_FILES: usize = 64;

/// A folder of a DHCP client.
struct Client {
    folder: &'static str,
    /// Begin and end of its files' names.
    prefix: &'static str,
    suffix: &'static str,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    /// Blocks of dhclient.
    Dhclient,
    /// `KEY=VALUE`, file named by the interface's number.
    ByNumber,
    /// `KEY=VALUE`, file named `internal-<uuid>-<interface>.lease`.
    ByUuidAndName,
    /// A packet, file named by the interface.
    Packet,
}

const fn client(folder: &'static str, prefix: &'static str, suffix: &'static str, format: Format) -> Client {
    Client { folder, prefix, suffix, format }
}

const CLIENTS: &[Client] = &[
    client("/run/systemd/netif/leases", "", "", Format::ByNumber),
    client("/var/lib/dhcp", "dhclient", ".leases", Format::Dhclient),
    client("/var/lib/dhclient", "dhclient", ".lease", Format::Dhclient),
    client("/var/lib/dhclient", "dhclient", ".leases", Format::Dhclient),
    client("/var/lib/NetworkManager", "dhclient-", ".lease", Format::Dhclient),
    client("/var/lib/NetworkManager", "internal-", ".lease", Format::ByUuidAndName),
    client("/var/lib/dhcpcd", "", ".lease", Format::Packet),
    client("/var/db/dhcpcd", "", ".lease", Format::Packet),
];

/// Every lease that names the WireServer.
pub(crate) fn read(root: &Root) -> Vec<Lease> {
    let mut leases = Vec::new();
    for client in CLIENTS {
        for path in files(client, &root.path(client.folder)) {
            leases.extend(lease(client, &path));
        }
    }
    leases
}

/// The client's files in this folder, in the order of their names.
fn files(client: &Client, folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                log::verbose(&format!("cannot read '{}': {error}, ignoring", folder.display()));
            }
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            let fits = is_number || !matches!(client.format, Format::ByNumber);
            fits && name.starts_with(client.prefix) && name.ends_with(client.suffix) && !name.starts_with('.')
        })
        .take(MAX_FILES)
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

fn lease(client: &Client, path: &Path) -> Option<Lease> {
    let bytes = match read_bounded(path, MAX) {
        Ok(bytes) => bytes,
        // It went away meanwhile.
        Err(fault) if fault.exit == Exit::NoInput => return None,
        Err(fault) => {
            log::warning(&format!("{}, ignoring", fault.text));
            return None;
        }
    };
    let found = parse(client.format, path, &bytes);
    let modified = fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok()?;
    Some(Lease {
        file: path.display().to_string(),
        address: found.address?,
        interface: found.interface.or_else(|| interface(client, path)),
        modified,
    })
}

fn parse(format: Format, path: &Path, bytes: &[u8]) -> Found {
    let text = String::from_utf8_lossy(bytes);
    let (found, warnings) = match format {
        Format::Dhclient => dhclient::parse(&text, i64::try_from(unix_seconds()).unwrap_or(i64::MAX)),
        Format::ByNumber | Format::ByUuidAndName => keyvalue::parse(&text),
        Format::Packet => match dhcpcd::parse(bytes) {
            Ok(found) => (found, Vec::new()),
            Err(fault) => (Found::default(), vec![fault.text]),
        },
    };
    // One line a file, however many lines of it are damaged.
    if let [first, ..] = warnings.as_slice() {
        let count = warnings.len();
        log::warning(&format!(
            "lease '{}': {first} ({count} such), ignoring",
            shown(&path.to_string_lossy())
        ));
    }
    found
}

/// The interface that a file's name tells.
fn interface(client: &Client, path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_prefix(client.prefix)?.strip_suffix(client.suffix)?;
    let interface = match client.format {
        Format::ByNumber => return names().remove(&stem.parse().ok()?),
        // A UUID has 36 characters (RFC 9562 4), a dash follows.
        Format::ByUuidAndName => stem.get(37..)?,
        Format::Packet => stem,
        Format::Dhclient => stem.rsplit(['.', '-']).next()?,
    };
    // IFNAMSIZ of linux/if.h.
    (1..=15).contains(&interface.len()).then(|| shown(interface))
}

fn names() -> BTreeMap<u32, String> {
    links::names().unwrap_or_else(|errno| {
        log::warning(&format!("cannot list interfaces: {errno}, using leases without their names"));
        BTreeMap::new()
    })
}
