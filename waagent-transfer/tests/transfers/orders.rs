//! Orders, good and bad.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use waagent_common::transfer::answer::{FailureKind, Shown};
use waagent_common::transfer::order::{Header, Method, Order};
use waagent_fabric::fault::Act;
use waagent_fabric::route::Route;

use super::stand::{Stand, Told, answer, get, head, put, server, silent};

#[test]
fn moves_a_blob_both_ways() {
    let stand = Stand::new();
    let uri = stand.status_blob();
    let text = vec![b'x'; 300_000];
    assert_eq!(stand.order(&put(&uri, text.len()), &text).status(), 201);
    assert_eq!(stand.stored().unwrap(), text);
    let told = stand.get(&uri);
    assert_eq!((told.status(), told.body()), (200, text.as_slice()));
    let record = stand.fabric.record();
    let request = record.of(Route::StoragePut).last().unwrap().clone();
    let header =
        |name: &str| request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).cloned();
    assert_eq!(header("x-ms-blob-type").unwrap().1, "BlockBlob");
    assert_eq!(header("content-length").unwrap().1, "300000");
    assert!(header("user-agent").unwrap().1.starts_with("WALinuxAgent/"));
    assert_eq!(header("transfer-encoding"), None);
}

#[test]
fn an_empty_body_is_an_empty_body() {
    let stand = Stand::new();
    let mut create = put(&stand.status_blob(), 0);
    create.headers.insert(Header::XMsBlobType, "PageBlob".to_owned());
    create.headers.insert(Header::XMsBlobContentLength, "512".to_owned());
    assert_eq!(stand.order(&create, b"").status(), 201);
    assert_eq!(stand.stored().unwrap().len(), 512);
}

#[test]
fn refuses_what_no_request_of_ours_is_and_asks_nobody() {
    let stand = Stand::new();
    let uri = stand.status_blob();
    let good = serde_json::to_string(&put(&uri, 1)).unwrap();
    for (old, new) in [
        ("x-ms-version", "authorization"),
        ("x-ms-version", "host"),
        ("\"body\"", "\"proxy\":\"http://a:1\",\"body\""),
        ("\"PUT\"", "\"DELETE\""),
        ("BlockBlob", "Block\\r\\nBlob"),
        ("\"body\":1", "\"body\":8388609"),
        ("\"PUT\"", "\"GET\""),
        ("\"seconds\":20", "\"seconds\":601"),
    ] {
        let text = good.replacen(old, new, 1);
        assert_ne!(text, good, "{old}");
        assert_eq!(raw(&stand, text.as_bytes()).failure().0, FailureKind::Refused, "{text}");
    }
    let long = good.replace("\"method\"", &format!("{}\"method\"", " ".repeat(33 << 10)));
    let told = raw(&stand, long.as_bytes());
    assert_eq!(told.failure(), (FailureKind::Refused, "no order: a frame of more than 32768 bytes"));
    assert_eq!((stand.fabric.record().count(Route::StoragePut), stand.stored()), (0, None));
    assert_eq!(raw_with(&stand, good.as_bytes(), b"x").status(), 201, "the twin");
}

fn raw(stand: &Stand, order: &[u8]) -> Told {
    raw_with(stand, order, b"")
}

fn raw_with(stand: &Stand, order: &[u8], body: &[u8]) -> Told {
    let mut stream = stand.call();
    let length = u32::try_from(order.len()).unwrap().to_be_bytes();
    let _refused = stream.write_all(&[&length, order, body].concat());
    answer(&mut stream)
}

#[test]
fn refuses_the_platform_other_schemes_and_plain_http_where_it_is_not_allowed() {
    let stand = Stand::new();
    for uri in [
        "http://168.63.129.16/machine?comp=goalstate&sig=CANARY",
        "http://168.63.129.16:32526/vmSettings",
        "https://[::ffff:168.63.129.16]/",
        "http://0xa83f8110/",
        "http://169.254.169.254/metadata/identity/oauth2/token",
        "ftp://storage/b",
        "https://user:word@storage/b",
        "file:///etc/shadow",
    ] {
        let told = stand.get(uri);
        assert_eq!(told.failure().0, FailureKind::Refused, "{uri}: {told:?}");
        assert!(!told.failure().1.contains("CANARY"), "{told:?}");
    }
    let strict = Stand::configured("", &[]);
    let told = strict.get(&strict.status_blob());
    assert!(told.failure().1.contains("http isn't allowed for storage; see OS.AllowHTTP"), "{told:?}");
    assert_eq!(strict.fabric.record().count(Route::StorageGet), 0);
}

#[test]
fn an_answer_ends_at_its_bound_announced_or_not() {
    let stand = Stand::new();
    let uri = stand.status_blob();
    stand.order(&put(&uri, 2000), &[b'x'; 2000]);
    let bounded = |limit| Order { limit, ..get(&uri) };
    assert_eq!(stand.order(&bounded(2000), b"").body().len(), 2000);
    let told = stand.order(&bounded(1999), b"");
    assert!(matches!(&told, Told::Failed(failure) if failure.kind == FailureKind::TooBig), "{told:?}");
    stand.break_route(Route::StorageGet, Act::EndlessBody);
    let told = stand.order(&bounded(100_000), b"");
    let Told::Answered(_, body, Some(failure)) = told else { panic!("{told:?}") };
    assert!(body.len() <= 100_000 && failure.kind == FailureKind::TooBig, "{failure:?}");
}

#[test]
fn of_a_refusal_comes_what_somebody_looks_at() {
    let stand = Stand::new();
    let text = Some("y".repeat(5000));
    stand.break_route(Route::StorageGet, Act::Status { code: 503, retry_after: Some(7), text });
    let told = stand.get(&stand.status_blob());
    assert_eq!((told.status(), told.body().len(), told.header(Shown::RetryAfter)), (503, 4096, Some("7")));
    let (listener, address) = server();
    let redirecting = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        head(&client);
        client.write_all(b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n").unwrap();
        listener
    });
    let told = stand.get(&format!("http://{address}/"));
    assert_eq!((told.status(), told.header(Shown::Location)), (302, Some("https://elsewhere/")));
    redirecting.join().unwrap();
}

#[test]
fn what_breaks_off_is_never_whole() {
    let stand = Stand::new();
    let uri = stand.status_blob();
    stand.order(&put(&uri, 2000), &[b'x'; 2000]);
    for act in [Act::Truncate { keep: 100 }, Act::ResetInBody { after: 100 }, Act::ResetBefore] {
        stand.break_route(Route::StorageGet, act.clone());
        let told = stand.get(&uri);
        assert_eq!(told.failure().0, FailureKind::Broken, "{act:?}: {told:?}");
    }
    stand.break_route(Route::StorageGet, Act::SlowDrip { bytes: 1, ms: 100 });
    let told = stand.order(&Order { seconds: 1, ..get(&uri) }, b"");
    assert_eq!(told.failure(), (FailureKind::Timeout, "no complete answer within 1 s"));
}

#[test]
fn a_body_is_as_long_as_was_said() {
    let stand = Stand::new();
    let uri = stand.status_blob();
    assert_eq!(stand.order(&put(&uri, 10), &[b'x'; 5000]).status(), 201);
    assert_eq!(stand.stored().unwrap().len(), 10);
    // Who says more than he has, and goes: nothing of it is stored.
    let mut short = stand.call();
    short.write_frame(&put(&uri, 1000)).unwrap();
    short.write_all(b"z").unwrap();
    drop(short);
    assert_eq!(stand.get(&uri).body(), [b'x'; 10]);
}

#[test]
fn who_says_nothing_or_drips_is_dismissed() {
    let stand = Stand::new();
    let begun = Instant::now();
    let mut drips =
        waagent_common::transfer::stream::Timed::new(silent(&stand), begun + Duration::from_secs(20));
    drips.write_all(&[0, 0]).unwrap();
    let told = answer(&mut drips);
    assert_eq!(told.failure().0, FailureKind::Refused, "{told:?}");
    assert!(begun.elapsed() >= Duration::from_secs(4));
    assert_eq!(answer(&mut drips), Told::Nothing(ErrorKind::UnexpectedEof));
}

#[test]
fn no_host_is_no_connection() {
    let stand = Stand::new();
    let (listener, address) = server();
    drop(listener);
    assert_eq!(stand.get(&format!("http://{address}/")).failure().0, FailureKind::Connect);
    let told = stand.get("http://no-such-host.invalid/");
    assert_eq!(told.failure().0, FailureKind::Connect);
    assert!(told.failure().1.starts_with("host name not found"), "{told:?}");
    let method = get("http://a/").method;
    assert_eq!(method, Method::Get);
}
