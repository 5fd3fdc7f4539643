//! A raw HTTP client: it sees exactly what the fabric puts on the wire.
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::scenario::Scenario;
use waagent_fabric::xml::{self, Element, text_at};

/// What came back.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ &str| {
            line.to_ascii_lowercase().starts_with(&format!("{}:", name.to_ascii_lowercase()))
        };
        self.head.lines().find(line).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    pub fn xml(&self) -> Result<Element> {
        Ok(xml::parse(&self.text())?)
    }
}

pub fn start(toml: &str) -> Result<Fabric> {
    Fabric::start(Scenario::parse(toml)?, &Options::loopback())
}

/// Sends one request on a connection of its own and reads to the end of the stream.
pub fn send(
    at: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write_request(&mut stream, method, target, headers, body)?;
    read_answer(&mut stream)
}

pub fn write_request(
    stream: &mut impl Write,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<()> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: fabric\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &[name, ": ", value, "\r\n"].concat();
    }
    let length = body.len();
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes())?;
    Ok(stream.write_all(body)?)
}

pub fn read_answer(stream: &mut impl Read) -> Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no end of the head")?;
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes)?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, head, body })
}

/// Headers that the WireServer wants of every request.
pub const WIRE: [(&str, &str); 2] = [("x-ms-agent-name", "WALinuxAgent"), ("x-ms-version", "2012-11-30")];

pub fn goal_state(fabric: &Fabric) -> Result<Element> {
    let answer = send(fabric.addresses().wire_server, "GET", "/machine/?comp=goalstate", &WIRE, b"")?;
    ensure!(answer.status == 200, "goal state: {}", answer.text());
    answer.xml()
}

/// Path and query of one URI of the goal state.
pub fn target_of(goal_state: &Element, name: &str) -> Result<String> {
    let uri = text_at(goal_state, &format!("Container/RoleInstanceList/RoleInstance/Configuration/{name}"));
    let path =
        uri.strip_prefix("http://").and_then(|rest| rest.find('/').and_then(|slash| rest.get(slash..)));
    Ok(path.context("no such URI")?.to_owned())
}

/// GETs one document that the goal state names.
pub fn config(fabric: &Fabric, name: &str, more: &[(&str, &str)]) -> Result<Answer> {
    let target = target_of(&goal_state(fabric)?, name)?;
    send(fabric.addresses().wire_server, "GET", &target, &[&WIRE[..], more].concat(), b"")
}

/// Runs the openssl tool with something on its standard input.
pub fn openssl(folder: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no standard input")?.write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
