//! The fabric as a library: start it with a scenario, ask it for addresses, change the goal state, read the record.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::connection::Door;
use crate::fault::{Fault, Faults};
use crate::identity;
use crate::platform::Platform;
use crate::record::Record;
use crate::route::Listener;
use crate::scenario::{Scenario, Scheme, Then};
use crate::server::Service;
use crate::shared::Shared;
use crate::tls::Authority;
use crate::until::Until;

/// Where the fabric listens, and where it keeps what outlives it.
#[derive(Clone, Debug)]
pub struct Options {
    /// WireServer.
    pub wire_server: SocketAddr,
    /// HostGAPlugin.
    pub host_plugin: SocketAddr,
    /// IMDS.
    pub imds: SocketAddr,
    /// Storage in clear.
    pub storage_http: SocketAddr,
    /// Storage by TLS.
    pub storage_https: SocketAddr,
    /// The fabric's own verbs.
    pub control: SocketAddr,
    /// Host in blob URIs; absent: the address that storage listens on.
    pub storage_host: Option<String>,
    /// Keeps keys, the CA and `record.json`.
    pub state: Option<PathBuf>,
}

/// A running fabric; it stops when dropped.
#[derive(Debug)]
pub struct Fabric {
    shared: Arc<Shared>,
    addresses: Addresses,
    authority: Authority,
    // Dropped in order: each closes its connections and joins its threads.
    _services: Vec<Service>,
}

/// Where a running fabric listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// WireServer.
    pub wire_server: SocketAddr,
    /// HostGAPlugin.
    pub host_plugin: SocketAddr,
    /// IMDS.
    pub imds: SocketAddr,
    /// Storage in clear.
    pub storage_http: SocketAddr,
    /// Storage by TLS.
    pub storage_https: SocketAddr,
    /// The fabric's own verbs.
    pub control: SocketAddr,
}

impl Options {
    /// Ephemeral ports of 127.0.0.1, nothing kept: for unit tests.
    pub fn loopback() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            wire_server: any,
            host_plugin: any,
            imds: any,
            storage_http: any,
            storage_https: any,
            control: any,
            storage_host: None,
            state: None,
        }
    }
}

impl Fabric {
    /// Makes keys and documents, binds, serves.
    pub fn start(scenario: Scenario, options: &Options) -> Result<Self> {
        let bind = |name: &str, address: SocketAddr| -> Result<(TcpListener, SocketAddr)> {
            let listener =
                TcpListener::bind(address).with_context(|| format!("cannot bind {name} to {address}"))?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let wire_server = bind("WireServer", options.wire_server)?;
        let host_plugin = bind("HostGAPlugin", options.host_plugin)?;
        let imds = bind("IMDS", options.imds)?;
        let storage_http = bind("storage (http)", options.storage_http)?;
        let storage_https = bind("storage (https)", options.storage_https)?;
        let control = bind("control", options.control)?;
        let addresses = Addresses {
            wire_server: wire_server.1,
            host_plugin: host_plugin.1,
            imds: imds.1,
            storage_http: storage_http.1,
            storage_https: storage_https.1,
            control: control.1,
        };
        let authority = Authority::open(options.state.as_deref())?;
        let storage_name = storage_name(options, &addresses);
        let names = [storage_name.clone(), "localhost".into(), addresses.storage_https.ip().to_string()];
        let tls = authority.acceptor(&names)?;
        let platform = platform(scenario, options, &addresses, &storage_name)?;
        let shared = Arc::new(Shared::new(platform, options.state.clone()));
        let door = |listener, tls| Door { listener, tls, shared: Arc::clone(&shared) };
        let services = vec![
            Service::start(wire_server.0, door(Listener::WireServer, None))?,
            Service::start(host_plugin.0, door(Listener::HostPlugin, None))?,
            Service::start(imds.0, door(Listener::Imds, None))?,
            Service::start(storage_http.0, door(Listener::Storage, None))?,
            Service::start(storage_https.0, door(Listener::Storage, Some(tls)))?,
            Service::start(control.0, door(Listener::Control, None))?,
        ];
        Ok(Self { shared, addresses, authority, _services: services })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The CA to trust for storage by https, PEM.
    pub fn ca_pem(&self) -> Result<Vec<u8>> {
        Ok(self.authority.certificate.to_pem()?)
    }

    /// A copy of the record.
    pub fn record(&self) -> Record {
        self.shared.lock().record.clone()
    }

    /// Thumbprint of a certificate of the scenario.
    pub fn thumbprint(&self, name: &str) -> Result<String> {
        self.shared.lock().identities.get(name).context("no such certificate")?.thumbprint()
    }

    /// Goes to the scenario's next goal state; false if it has none.
    pub fn next_goal_state(&self) -> Result<bool> {
        self.shared.next_goal_state()
    }

    /// Goes to any goal state.
    pub fn change(&self, then: &Then) -> Result<()> {
        let changed = self.shared.lock().change(then);
        self.shared.changed.notify_all();
        changed
    }

    /// Replaces all faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.lock().faults = Faults::new(faults);
    }

    /// Puts bytes at a path of storage: a hostile package, another manifest.
    pub fn publish(&self, path: &str, bytes: Vec<u8>) {
        self.shared.lock().storage.publish(path, bytes);
    }

    /// Content of a blob.
    pub fn blob(&self, path: &str) -> Option<Vec<u8>> {
        self.shared.lock().storage.blob(path).map(|blob| blob.bytes.clone())
    }

    /// Waits for a condition; false: not within this time.
    pub fn wait(&self, until: &Until, timeout: Duration) -> bool {
        self.shared.wait(until, timeout)
    }

    /// Looks at all state, for what has no method of its own.
    pub fn look<T>(&self, at: impl FnOnce(&Platform) -> T) -> T {
        at(&self.shared.lock())
    }

    /// Writes `record.json` into the state folder, if there is one.
    pub fn save_record(&self) -> Result<()> {
        self.shared.save_record()
    }

    /// Writes `record.json` whenever something was received, at most twice a second; never returns.
    pub fn save_record_on_change(&self) -> Result<std::convert::Infallible> {
        let mut saved = 0;
        loop {
            let unchanged = |platform: &mut Platform| platform.record.total() == saved;
            let guard = self.shared.changed.wait_while(self.shared.lock(), unchanged);
            saved = guard.unwrap_or_else(PoisonError::into_inner).record.total();
            self.save_record()?;
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// What the threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Host in blob URIs.
fn storage_name(options: &Options, addresses: &Addresses) -> String {
    options.storage_host.clone().unwrap_or_else(|| addresses.storage_https.ip().to_string())
}

/// The platform before its first request.
fn platform(
    scenario: Scenario,
    options: &Options,
    addresses: &Addresses,
    storage_name: &str,
) -> Result<Platform> {
    let identities = identity::all(&scenario.certificate, options.state.as_deref())?;
    let base = match (scenario.storage.scheme, addresses.storage_http.port(), addresses.storage_https.port())
    {
        (Scheme::Http, 80, _) => format!("http://{storage_name}"),
        (Scheme::Https, _, 443) => format!("https://{storage_name}"),
        (Scheme::Http, port, _) => format!("http://{storage_name}:{port}"),
        (Scheme::Https, _, port) => format!("https://{storage_name}:{port}"),
    };
    let authority = addresses.wire_server.to_string();
    Platform::new(scenario, authority, base, identities, options.state.as_deref())
}
