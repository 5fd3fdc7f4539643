//! The two documents that the gate reads: where the targets are, and which certificate is this machine's own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::MetadataExt;

use waagent_common::documents::{Body, Document, Endpoint, Transport};
use waagent_common::fault::Fault;
use waagent_common::gate::protocol::Target;
use waagent_common::log;
use waagent_common::root::Root;

/// What `net/endpoint.json` and `certs/transport.json` say now.
#[derive(Debug)]
pub struct Documents {
    root: Root,
    allowed: Vec<Ipv4Addr>,
    seen: Option<Stamp>,
    wireserver: Option<Ipv4Addr>,
}

impl Documents {
    /// With `Protocol.AllowedEndpoints`, which may be empty.
    pub fn new(root: Root, allowed: Vec<Ipv4Addr>) -> Self {
        Self { root, allowed, seen: None, wireserver: Some(Endpoint::WELL_KNOWN) }
    }

    /// The address of a target; none where the document names one that isn't allowed.
    ///
    /// Its document is read anew when its file has changed; a missing or damaged one means the well-known address.
    pub(crate) fn address_of(&mut self, target: Target) -> Option<SocketAddrV4> {
        self.wireserver().map(|address| SocketAddrV4::new(address, target.port()))
    }

    /// The transport certificate of this machine, DER in base64. Asked for seldom: read each time.
    pub(crate) fn own_certificate(&self) -> Result<String, Fault> {
        Document::<Transport>::read(&self.root).map(|document| document.body.certificate_der_base64)
    }

    fn wireserver(&mut self) -> Option<Ipv4Addr> {
        let stamp = Stamp::of(&self.root);
        if stamp != self.seen {
            self.seen = stamp;
            self.wireserver = self.read();
        }
        self.wireserver
    }

    fn read(&self) -> Option<Ipv4Addr> {
        match Document::<Endpoint>::read_if_there(&self.root) {
            Ok(None) => Some(Endpoint::WELL_KNOWN),
            Ok(Some(document)) => self.believe(document.body.address),
            Err(fault) => {
                log::warning(&format!("{fault}, using {}", Endpoint::WELL_KNOWN));
                Some(Endpoint::WELL_KNOWN)
            }
        }
    }

    fn believe(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        if Endpoint::may_be(address, &self.allowed) {
            return Some(address);
        }
        let path = self.root.path(Endpoint::PATH);
        log::error(&format!(
            "cannot use '{}': body.address: {address} isn't in Protocol.AllowedEndpoints; \
             list it there and restart waagent-gate, or run 'systemctl start waagent-net'",
            path.display()
        ));
        None
    }
}

/// Tells one version of a file from the next: a rename brings another inode, or the same with another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(root: &Root) -> Option<Self> {
        // What can't be looked at can't be read either: the same as a missing document.
        let meta = fs::symlink_metadata(root.path(Endpoint::PATH)).ok()?;
        Some(Self { device: meta.dev(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()) })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use waagent_common::documents::{EndpointSource, Inputs, write};
    use waagent_common::sandbox::Sandbox;

    use super::*;

    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);

    fn put(root: &Path, address: Ipv4Addr) {
        let root = Root::new(root);
        fs::create_dir_all(root.state_path("net")).unwrap();
        let body = Endpoint { address, source: EndpointSource::Lease, interface: None, option_245: None };
        write(&root, &body, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    }

    #[test]
    fn follows_the_document_from_version_to_version() {
        let scratch = tempfile::tempdir().unwrap();
        let mut documents = Documents::new(Root::new(scratch.path()), vec![OTHER]);
        assert_eq!(
            documents.address_of(Target::WireServer),
            Some(SocketAddrV4::new(Endpoint::WELL_KNOWN, 80))
        );
        put(scratch.path(), OTHER);
        assert_eq!(documents.address_of(Target::WireServer), Some(SocketAddrV4::new(OTHER, 80)));
        assert_eq!(documents.address_of(Target::HostGaPlugin), Some(SocketAddrV4::new(OTHER, 32526)));
        put(scratch.path(), Endpoint::WELL_KNOWN);
        assert_eq!(
            documents.address_of(Target::HostGaPlugin),
            Some(SocketAddrV4::new(Endpoint::WELL_KNOWN, 32526))
        );
    }

    #[test]
    fn refuses_an_address_that_the_configuration_does_not_allow() {
        // A false answer of a DHCP server.
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), OTHER);
        let mut documents = Documents::new(Root::new(scratch.path()), Vec::new());
        assert_eq!(documents.address_of(Target::WireServer), None);
        assert_eq!(documents.address_of(Target::HostGaPlugin), None);
    }

    #[test]
    fn takes_the_well_known_address_where_the_document_is_damaged_or_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        put(scratch.path(), OTHER);
        let mut documents = Documents::new(Root::new(scratch.path()), vec![OTHER]);
        let path = Root::new(scratch.path()).path(Endpoint::PATH);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "{").unwrap();
        assert_eq!(
            documents.address_of(Target::WireServer),
            Some(SocketAddrV4::new(Endpoint::WELL_KNOWN, 80))
        );
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(
            documents.address_of(Target::WireServer),
            Some(SocketAddrV4::new(Endpoint::WELL_KNOWN, 80))
        );
    }
}
