//! A fabric's storage, the program on a socket in a scratch root, and orders for it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use waagent_common::transfer::answer::{
    Answer, END, FAILED, Failure, FailureKind, Head, MAX_ANSWER_FRAME, Shown,
};
use waagent_common::transfer::order::{Header, Method, Order};
use waagent_common::transfer::stream::Timed;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::route::Route;
use waagent_fabric::scenario::Scenario;
use waagent_support::transfer::Transfer;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_waagent-transfer");

pub struct Stand {
    pub fabric: Fabric,
    pub root: TempDir,
    pub transfer: Transfer,
}

/// What came of an order.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Storage's answer, and why its body isn't whole, if it isn't.
    Answered(Head, Vec<u8>, Option<Failure>),
    Failed(Failure),
    /// The other end was closed, or broke off.
    Nothing(io::ErrorKind),
}

impl Told {
    pub fn status(&self) -> u16 {
        let Self::Answered(head, _, None) = self else { panic!("{self:?}") };
        head.status
    }

    pub fn body(&self) -> &[u8] {
        let Self::Answered(_, body, None) = self else { panic!("{self:?}") };
        body
    }

    pub fn header(&self, header: Shown) -> Option<&str> {
        let Self::Answered(head, ..) = self else { panic!("{self:?}") };
        head.headers.get(&header).map(String::as_str)
    }

    /// The failure, before or within an answer.
    pub fn failure(&self) -> (FailureKind, &str) {
        match self {
            Self::Failed(failure) | Self::Answered(.., Some(failure)) => (failure.kind, &failure.text),
            other => panic!("{other:?}"),
        }
    }
}

impl Stand {
    /// In clear, which this configuration allows.
    pub fn new() -> Self {
        Self::configured("OS.AllowHTTP=y\n", &[])
    }

    pub fn configured(configuration: &str, environment: &[(&str, &str)]) -> Self {
        Self::with(&Options::loopback(), configuration, environment)
    }

    pub fn with(options: &Options, configuration: &str, environment: &[(&str, &str)]) -> Self {
        let scenario = Scenario::parse("[storage]\nscheme = \"http\"\nsignature = \"CANARY-SAS\"\n").unwrap();
        let fabric = Fabric::start(scenario, options).unwrap();
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("etc/ssl")).unwrap();
        fs::write(root.path().join("etc/waagent.conf"), configuration).unwrap();
        let transfer = Transfer::start(Path::new(PROGRAM), root.path(), environment);
        Self { fabric, root, transfer }
    }

    /// The status blob's URI, with its signature.
    pub fn status_blob(&self) -> String {
        self.fabric.look(|platform| platform.storage.sas_uri(&platform.storage.status_path))
    }

    /// What the fabric has there.
    pub fn stored(&self) -> Option<Vec<u8>> {
        self.fabric.blob(&self.fabric.look(|platform| platform.storage.status_path.clone()))
    }

    /// Every request of a route is met by this.
    pub fn break_route(&self, route: Route, act: Act) {
        self.fabric.set_faults(vec![Fault { route: Some(route), path: None, after: 0, count: 0, act }]);
    }

    pub fn call(&self) -> Timed {
        let until = Instant::now() + Duration::from_secs(30);
        Timed::connect(self.transfer.socket(), until).unwrap()
    }

    pub fn order(&self, order: &Order, body: &[u8]) -> Told {
        let mut stream = self.call();
        // Who refuses an order hangs up meanwhile.
        let _told = stream.write_frame(order).and_then(|()| stream.write_all(body));
        answer(&mut stream)
    }

    pub fn get(&self, uri: &str) -> Told {
        self.order(&get(uri), b"")
    }
}

pub fn get(uri: &str) -> Order {
    let uri = uri.to_owned();
    Order { method: Method::Get, uri, headers: BTreeMap::new(), body: 0, limit: 1 << 20, seconds: 20 }
}

/// A whole block blob of so many bytes.
pub fn put(uri: &str, length: usize) -> Order {
    let headers = [(Header::XMsBlobType, "BlockBlob"), (Header::XMsVersion, "2014-02-14")];
    Order {
        method: Method::Put,
        headers: headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
        body: u64::try_from(length).unwrap(),
        ..get(uri)
    }
}

/// Reads an answer to its end.
pub fn answer(stream: &mut Timed) -> Told {
    let head = match stream.read_frame(MAX_ANSWER_FRAME) {
        Ok(Answer::Head(head)) => head,
        Ok(Answer::Failed(failure)) => return Told::Failed(failure),
        Err(error) => return Told::Nothing(error.kind()),
    };
    let mut body = Vec::new();
    loop {
        match stream.read_length() {
            Ok(END) => return Told::Answered(head, body, None),
            Ok(FAILED) => {
                let failure = stream.read_frame(MAX_ANSWER_FRAME).unwrap();
                return Told::Answered(head, body, Some(failure));
            }
            Ok(length) => {
                let mut piece = vec![0; usize::try_from(length).unwrap()];
                stream.read_exact(&mut piece).unwrap();
                body.extend(piece);
            }
            Err(error) => return Told::Nothing(error.kind()),
        }
    }
}

/// A server of our own, for what a fabric can't show.
pub fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads a head, to its empty line.
pub fn head(mut stream: &TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Has it been closed by the other end, within two seconds?
pub fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    match stream.read(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// A stream of this process that isn't told what to say.
pub fn silent(stand: &Stand) -> UnixStream {
    UnixStream::connect(stand.transfer.socket()).unwrap()
}
