//! Three namespaces: a container, this machine, the platform. What the machine forwards, and what it answers.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::space::{NOBODY, Space, WIRESERVER, connects, nft, run, said};

/// A namespace of its own, held by a child that waits for its standard input.
struct Away(Child);

impl Away {
    fn new(link: &str, address: &str) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo; read _"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It says a line when it is there.
        std::io::Read::read(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let pid = child.id().to_string();
        let peer = format!("{link}-away");
        run("ip", &["link", "add", link, "type", "veth", "peer", "name", &peer, "netns", &pid]);
        run("ip", &["link", "set", link, "up"]);
        let away = Self(child);
        away.run(&["ip", "link", "set", "lo", "up"]);
        away.run(&["ip", "link", "set", &peer, "up"]);
        away.run(&["ip", "address", "add", address, "dev", &peer]);
        away
    }

    fn run(&self, command: &[&str]) {
        let pid = self.0.id().to_string();
        run("nsenter", &[&["--net", "--target", &pid][..], command].concat());
    }

    /// Does something on a thread that is in there.
    fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.0.id())).unwrap();
        thread::scope(|scope| {
            let enter = || {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            };
            scope.spawn(enter).join().unwrap()
        })
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

const PLATFORM: Ipv4Addr = WIRESERVER;
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 4);

/// The machine in the middle, forwarding; the platform behind it, at its real address; a container before it.
fn network() -> Option<(Space, Away, Away)> {
    let space = Space::new("")?;
    run("ip", &["address", "del", "168.63.129.16/32", "dev", "lo"]);
    let container = Away::new("pod", "172.17.0.2/24");
    let platform = Away::new("cloud", "168.63.129.16/32");
    run("ip", &["address", "add", "172.17.0.1/24", "dev", "pod"]);
    run("ip", &["address", "add", "10.0.0.4/32", "dev", "cloud"]);
    run("ip", &["route", "add", "168.63.129.16/32", "dev", "cloud", "src", "10.0.0.4"]);
    container.run(&["ip", "route", "add", "default", "via", "172.17.0.1"]);
    platform.run(&["ip", "route", "add", "10.0.0.4/32", "dev", "cloud-away"]);
    platform.run(&["ip", "route", "add", "default", "via", "10.0.0.4"]);
    // Of this namespace: the file shows that of the process's main thread, a child's shows ours.
    run("sh", &["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    Some((space, container, platform))
}

fn listeners(ports: &[u16]) -> Vec<TcpListener> {
    ports.iter().map(|port| TcpListener::bind((PLATFORM, *port)).unwrap()).collect()
}

#[test]
fn containers_reach_dns_and_nothing_else_that_is_secret() {
    let Some((space, container, platform)) = network() else { return };
    let _listening = platform.inside(|| listeners(&[53, 80, 443, 32526]));
    let reaches = |port| container.inside(|| connects(0, port));
    for port in [53, 80, 443, 32526] {
        assert!(reaches(port), "without firewall: {port}");
    }
    let (code, told) = space.net(&[]);
    assert_eq!(code, 0, "{told}");
    assert_eq!([53, 80, 443, 32526].map(reaches), [true, false, true, false]);
    assert!(connects(0, 80), "root of the machine");
    assert!(!connects(NOBODY, 80), "nobody of the machine");
    // Said by the route too: there is one to that address alone.
    assert_eq!(space.body("endpoint.json")["source"], "route");
}

#[test]
fn answers_to_the_load_balancers_probes_pass_whoever_gives_them() {
    // Probes come from the platform's address; the service that answers isn't root's.
    let Some((space, _container, platform)) = network() else { return };
    assert_eq!(space.net(&[]).0, 0);
    nix::unistd::setfsuid(NOBODY.into());
    let service = TcpListener::bind((MACHINE, 8080)).unwrap();
    nix::unistd::setfsuid(0.into());
    let probe = platform.inside(|| {
        let to = SocketAddr::from((MACHINE, 8080));
        TcpStream::connect_timeout(&to, Duration::from_secs(2))
            .map(|stream| stream.local_addr().unwrap().ip())
    });
    assert_eq!(probe.unwrap(), PLATFORM);
    drop(service);
}

#[test]
fn a_machine_without_any_network_has_the_known_address() {
    // The known address first; nothing waits.
    let Some(space) = Space::new("") else { return };
    run("ip", &["address", "flush", "dev", "lo"]);
    run("ip", &["link", "set", "lo", "down"]);
    let (code, told) = said(&space.command(&[]).output().unwrap());
    assert!(code == 0 && told.contains("WireServer is 168.63.129.16 (default)"), "{told}");
    assert!(fs::exists(space.path("var/lib/waagent/net/endpoint.json")).unwrap());
}

#[test]
fn many_pages_of_foreign_tables_are_read_to_their_end() {
    let Some(space) = Space::new("") else { return };
    let tables: String = (0..3000).map(|n| format!("add table ip table-of-somebody-else-{n}\n")).collect();
    nft(&tables);
    let (code, told) = space.net(&["firewall"]);
    assert_eq!(code, 0, "{told}");
    assert!(space.net(&["firewall"]).1.contains("nothing to do"));
    assert_eq!(space.body("firewall.json")["foreign"].as_array().unwrap().len(), 64);
}
