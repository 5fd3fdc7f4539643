//! Each fault, as a client meets it.

mod common;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::{Answer, read_answer, send, start, write_request};
use waagent_fabric::fabric::Fabric;

/// A fabric with one fault on the versions request.
fn faulty(act: &str) -> Result<Fabric> {
    start(&format!("[[fault]]\nroute = 'versions'\nact = {act}"))
}

fn versions(fabric: &Fabric) -> Result<Answer> {
    send(fabric.addresses().wire_server, "GET", "/?comp=versions", &[], b"")
}

/// The fault hits once, is on record, and the next request is well.
fn once(act: &str) -> Result<Answer> {
    let fabric = faulty(act)?;
    let answer = versions(&fabric);
    assert_eq!(versions(&fabric)?.status, 200);
    assert!(fabric.record().exchanges.first().is_some_and(|first| first.fault.is_some()));
    answer
}

#[test]
fn answers_another_status_with_retry_after() -> Result<()> {
    let answer = once("{ status = { code = 503, retry_after = 7 } }")?;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    Ok(())
}

#[test]
fn waits_before_the_answer() -> Result<()> {
    let start = Instant::now();
    assert_eq!(once("{ delay = { ms = 300 } }")?.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
    Ok(())
}

fn is_reset(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn resets_before_the_answer() -> Result<()> {
    let error = once("'reset-before'").err().context("an answer came")?;
    assert!(is_reset(&error), "{error:#}");
    Ok(())
}

#[test]
fn resets_within_the_body() -> Result<()> {
    let fabric = faulty("{ reset-in-body = { after = 10 } }")?;
    let mut stream = TcpStream::connect(fabric.addresses().wire_server)?;
    write_request(&mut stream, "GET", "/?comp=versions", &[], b"")?;
    let error = read_answer(&mut stream).err().context("a whole answer came")?;
    assert!(is_reset(&error), "{error:#}");
    Ok(())
}

fn length(answer: &Answer) -> Result<usize> {
    Ok(answer.header("content-length").context("no length")?.parse()?)
}

#[test]
fn cuts_the_body() -> Result<()> {
    let answer = once("{ truncate = { keep = 20 } }")?;
    assert_eq!(answer.body.len(), 20);
    assert!(length(&answer)? > 20);
    Ok(())
}

#[test]
fn lies_about_the_length() -> Result<()> {
    let answer = once("{ wrong-length = { length = 5 } }")?;
    assert_eq!(length(&answer)?, 5);
    assert!(answer.body.len() > 5);
    Ok(())
}

#[test]
fn drips() -> Result<()> {
    let start = Instant::now();
    let answer = once("{ slow-drip = { bytes = 100, ms = 100 } }")?;
    assert_eq!(length(&answer)?, answer.body.len());
    assert!(start.elapsed() >= Duration::from_millis(200));
    Ok(())
}

#[test]
fn never_ends() -> Result<()> {
    let fabric = faulty("'endless-body'")?;
    let mut stream = TcpStream::connect(fabric.addresses().wire_server)?;
    write_request(&mut stream, "GET", "/?comp=versions", &[], b"")?;
    let mut much = vec![0; 5 << 20];
    stream.read_exact(&mut much)?;
    let head = String::from_utf8_lossy(&much[..300]).to_ascii_lowercase();
    assert!(!head.contains("content-length"));
    Ok(())
}

#[test]
fn begins_with_a_byte_order_mark() -> Result<()> {
    let answer = once("'byte-order-mark'")?;
    assert_eq!(answer.body[..3], [0xef, 0xbb, 0xbf]);
    assert_eq!(length(&answer)?, answer.body.len());
    Ok(())
}

#[test]
fn fills_the_body_up() -> Result<()> {
    let answer = once("{ oversize = { bytes = 2000000 } }")?;
    assert_eq!((length(&answer)?, answer.body.len()), (2_000_000, 2_000_000));
    Ok(())
}

#[test]
fn sends_another_body_and_header() -> Result<()> {
    assert_eq!(once("{ body = { text = '<Versions/>' } }")?.text(), "<Versions/>");
    let answer = once("{ header = { name = 'Location', value = 'http://evil.example/' } }")?;
    assert_eq!(answer.header("location"), Some("http://evil.example/"));
    Ok(())
}

#[test]
fn sends_good_and_bad_chunks() -> Result<()> {
    let good = once("'chunked'")?;
    assert_eq!(
        (good.header("transfer-encoding"), good.text().ends_with("0\r\n\r\n")),
        (Some("chunked"), true)
    );
    assert!(once("'bad-chunking'")?.text().ends_with("zz\r\n"));
    Ok(())
}

#[test]
fn hits_after_some_and_only_where_it_aims() -> Result<()> {
    let fault = "[[fault]]\nroute = 'imds'\npath = 'compute'\nafter = 1\ncount = 2\nact = { status = { code = 410 } }";
    let fabric = start(fault)?;
    let ask = |path: &str| -> Result<u16> {
        let target = format!("/metadata/instance{path}?api-version=2021-02-01");
        Ok(send(fabric.addresses().imds, "GET", &target, &[("Metadata", "true")], b"")?.status)
    };
    let got = ["/compute", "", "/compute", "/compute", "/compute"].map(|path| ask(path).unwrap_or(0));
    assert_eq!(got, [200, 200, 410, 410, 200]);
    Ok(())
}
