//! The other end of the control port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::record::Record;
use crate::until::Until;

/// The record of a running fabric.
pub fn record(control: SocketAddr) -> Result<Record> {
    let body = ask(control, "GET", "/fabric/record", Duration::from_secs(30))?;
    serde_json::from_slice(&body).context("the record can't be read")
}

/// Goes to the next goal state; false if the scenario has none.
pub fn next(control: SocketAddr) -> Result<bool> {
    let body = ask(control, "POST", "/fabric/next", Duration::from_secs(30))?;
    Ok(serde_json::from_slice::<Value>(&body)?.get("moved") == Some(&Value::Bool(true)))
}

/// Waits for a condition, also for the fabric itself to come up; false: not within this time.
pub fn wait(control: SocketAddr, until: &Until, timeout: Duration) -> Result<bool> {
    let end = Instant::now() + timeout;
    while TcpStream::connect_timeout(&control, Duration::from_secs(1)).is_err() {
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = end.saturating_duration_since(Instant::now());
    let target = format!("/fabric/wait?timeout={}&until={until}", left.as_secs().max(1));
    let body = ask(control, "GET", &target, left + Duration::from_secs(10))?;
    Ok(serde_json::from_slice::<Value>(&body)?.get("met") == Some(&Value::Bool(true)))
}

fn ask(control: SocketAddr, method: &str, target: &str, timeout: Duration) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&control, Duration::from_secs(5))
        .with_context(|| format!("no fabric answers at {control}"))?;
    stream.set_read_timeout(Some(timeout))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: {control}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        bail!("{control} doesn't speak HTTP");
    };
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer);
    let line = head.lines().next().unwrap_or_default();
    ensure!(line.contains(" 200 "), "{line}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}
