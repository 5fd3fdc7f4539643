//! One order: read, carried out, answered while the answer comes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ureq::{Body, SendBody};
use waagent_common::log;
use waagent_common::text::cut;
use waagent_common::transfer::answer::{
    Answer, END, FAILED, Failure, FailureKind, Head, MAX_PIECE, MAX_TEXT, Shown,
};
use waagent_common::transfer::order::{MAX_ORDER, MAX_SECONDS, Method, Order};
use waagent_common::transfer::stream::Timed;
use waagent_http::{ERROR_BODY, HttpError, NO_HOST, Request};

use crate::storage::{Storage, Unanswered};

/// What an order leaves behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Carried {
    /// Something was stored, or was to be: more will follow in a minute.
    pub(crate) stored: bool,
    /// A name or an authority wasn't found: a new process may find it.
    pub(crate) not_found: bool,
}

/// Serves a caller until he has his answer, or has gone. `report` hears what the order leaves before the caller hears that
/// his answer is whole: his next order must find this worker free, with the connection that is kept.
pub(crate) fn serve(storage: &mut Storage, stream: UnixStream, report: impl FnOnce(Carried)) {
    let mut report = Some(report);
    let mut report = |carried| {
        if let Some(report) = report.take() {
            report(carried);
        }
    };
    read_and_carry(storage, stream, &mut report);
    // One who has gone in between.
    report(Carried::default());
}

fn read_and_carry(storage: &mut Storage, stream: UnixStream, report: &mut dyn FnMut(Carried)) {
    let mut caller = Timed::new(stream, Instant::now() + ORDER_TIME);
    let order: Order = match caller.read_frame(MAX_ORDER) {
        Ok(order) => order,
        // Nothing was said: he went away, or PID 1 looked whether somebody is here.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return,
        Err(error) => {
            let unanswered = refused(format!("no order: {error}"));
            report(Carried::default());
            let _gone = answer(&mut caller, &Answer::Failed(failure(&unanswered)));
            return;
        }
    };
    let time = Duration::from_secs(order.seconds.min(MAX_SECONDS));
    caller.set_until(Instant::now() + time + SLACK);
    storage.work_for(Some(&caller));
    carry(storage, &mut caller, &order, report);
    storage.work_for(None);
}

fn carry(storage: &mut Storage, caller: &mut Timed, order: &Order, report: &mut dyn FnMut(Carried)) {
    let mut carried = Carried { stored: order.method == Method::Put, not_found: false };
    let begun = match begin(storage, caller, order) {
        Ok(answered) => answered,
        Err(unanswered) => {
            carried.not_found = is_not_found(&unanswered.error);
            report(carried);
            let _gone = answer(caller, &Answer::Failed(failure(&unanswered)));
            return;
        }
    };
    let passed = pass_on(caller, order, begun).and_then(|copied| {
        report(carried);
        end(caller, copied)
    });
    if let Err(gone) = passed {
        report(carried);
        log::verbose(&format!("the caller of an order is gone: {gone}"));
    }
}

/// Sends the request. An answer that is announced as too long is none.
fn begin(
    storage: &mut Storage,
    caller: &mut Timed,
    order: &Order,
) -> Result<ureq::http::Response<Body>, Unanswered> {
    order.check().map_err(refused)?;
    let uri = storage.admit(&order.uri).map_err(fresh)?;
    let mut request = match order.method {
        Method::Get => Request::get(),
        Method::Put => Request::put(&[]).header("content-length", order.body.to_string()),
    };
    for (header, value) in &order.headers {
        request = request.header(header.name(), value.clone());
    }
    let request = request.limit(order.limit).timeout(Duration::from_secs(order.seconds));
    let mut body = Whole { reader: caller, left: order.body };
    let answer = storage.ask(&uri, &request, SendBody::from_reader(&mut body))?;
    let announced = answer.body().content_length();
    if answer.status().is_success() && announced.is_some_and(|length| length > order.limit) {
        return Err(fresh(HttpError::TooBig(order.limit)));
    }
    Ok(answer)
}

/// Gives the answer on, but for its end. The inner `Err`: it isn't whole; the outer one: the caller is gone.
fn pass_on(
    caller: &mut Timed,
    order: &Order,
    answered: ureq::http::Response<Body>,
) -> io::Result<Result<(), HttpError>> {
    let (head, body) = answered.into_parts();
    let shown = |header: Shown| {
        let value = head.headers.get(header.name())?.to_str().ok()?;
        (value.len() <= MAX_TEXT).then(|| (header, value.to_owned()))
    };
    let headers: BTreeMap<Shown, String> = Shown::ALL.into_iter().filter_map(shown).collect();
    answer(caller, &Answer::Head(Head { status: head.status.as_u16(), headers }))?;
    let reader = body.into_with_config().limit(u64::MAX).reader();
    if head.status.is_success() {
        pieces(caller, reader, order.limit, order.seconds)
    } else {
        pieces(caller, reader.take(ERROR_BODY), ERROR_BODY, order.seconds)
    }
}

fn end(caller: &mut Timed, copied: Result<(), HttpError>) -> io::Result<()> {
    match copied {
        Ok(()) => caller.write_all(&END.to_be_bytes()),
        Err(error) => {
            caller.write_all(&FAILED.to_be_bytes())?;
            caller.write_frame(&failure(&fresh(error)))
        }
    }
}

/// Copies a body in pieces. The inner `Err`: it isn't whole; the outer one: the caller is gone.
fn pieces(
    caller: &mut Timed,
    mut body: impl Read,
    limit: u64,
    seconds: u64,
) -> io::Result<Result<(), HttpError>> {
    let mut piece = vec![0; PREFIX + MAX_PIECE];
    let mut size = 0_u64;
    loop {
        let Some((prefix, space)) = piece.split_first_chunk_mut::<PREFIX>() else { return Ok(Ok(())) };
        let length = match body.read(space) {
            Ok(0) => return Ok(Ok(())),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(HttpError::of(ureq::Error::from(error), seconds))),
        };
        size = size.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if size > limit {
            return Ok(Err(HttpError::TooBig(limit)));
        }
        *prefix = u32::try_from(length).unwrap_or(END).to_be_bytes();
        caller.write_all(piece.get(..PREFIX + length).unwrap_or_default())?;
    }
}

fn answer(caller: &mut Timed, answer: &Answer) -> io::Result<()> {
    caller.write_frame(answer)
}

fn refused(why: String) -> Unanswered {
    fresh(HttpError::Refused(why))
}

fn fresh(error: HttpError) -> Unanswered {
    Unanswered { error, kept: false }
}

/// In the words and kinds that the fetcher has for it.
fn failure(unanswered: &Unanswered) -> Failure {
    let kind = match &unanswered.error {
        HttpError::Refused(_) => FailureKind::Refused,
        HttpError::Connect(_) => FailureKind::Connect,
        HttpError::Tls(_) => FailureKind::Tls,
        HttpError::Timeout(_) => FailureKind::Timeout,
        HttpError::TooBig(_) => FailureKind::TooBig,
        HttpError::Gate(_) | HttpError::Denied(_) | HttpError::Broken(_) | HttpError::Store(_) => {
            FailureKind::Broken
        }
    };
    let text = cut(&unanswered.error.to_string(), MAX_TEXT).to_owned();
    Failure { kind, text, kept: unanswered.kept && kind == FailureKind::Broken }
}

/// May files that were replaced since this process began be the cause? It knows the resolver's and the authorities' by
/// what they were.
fn is_not_found(error: &HttpError) -> bool {
    match error {
        HttpError::Tls(_) => true,
        HttpError::Connect(why) => why.starts_with(NO_HOST),
        _ => false,
    }
}

/// A body that is as long as was said: one that ends before is an error, and not an end.
struct Whole<'a> {
    reader: &'a mut Timed,
    left: u64,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(space) = buffer.get_mut(..most).filter(|space| !space.is_empty()) else { return Ok(0) };
        let length = self.reader.read(space)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(length)
    }
}

/// That a caller may take to say what he wants.
const ORDER_TIME: Duration = Duration::from_secs(5);
/// That the answer may take longer than the order: its caller takes it, or goes.
const SLACK: Duration = Duration::from_secs(5);
/// Of a piece: its length.
const PREFIX: usize = 4;
