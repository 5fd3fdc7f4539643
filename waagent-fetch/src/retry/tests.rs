use super::*;

type Answer = Result<Response, HttpError>;

struct Clock {
    waited: Vec<Duration>,
    goes_on: bool,
}

impl Pause for Clock {
    fn pause(&mut self, time: Duration) -> bool {
        self.waited.push(time);
        self.goes_on
    }

    fn random(&mut self, bound: u32) -> u32 {
        bound / 2
    }
}

fn run(attempts: Attempts, answers: Vec<Answer>) -> (Option<u16>, Vec<u64>) {
    let mut clock = Clock { waited: Vec::new(), goes_on: true };
    let mut answers = answers.into_iter();
    let last = attempts.run(&mut clock, || answers.next().unwrap());
    (last.ok().map(|answer| answer.status), clock.waited.iter().map(Duration::as_secs).collect())
}

fn answer(code: u16) -> Response {
    Response::new(code, &[], b"")
}

fn broken() -> HttpError {
    HttpError::Broken("reset".to_owned())
}

#[test]
fn repeats_with_growing_delays_until_it_succeeds() {
    let answers = vec![
        Ok(answer(500)),
        Err(broken()),
        Ok(answer(502)),
        Ok(answer(503)),
        Err(broken()),
        Ok(answer(200)),
    ];
    assert_eq!(run(DEFAULT, answers), (Some(200), vec![1, 2, 3, 5, 8]));
}

#[test]
fn stops_after_the_last_attempt_with_its_answer() {
    assert_eq!(run(TWICE, vec![Ok(answer(500)), Ok(answer(504))]), (Some(504), vec![1]));
    assert_eq!(run(TWICE, vec![Err(broken()), Err(broken())]), (None, vec![1]));
}

#[test]
fn never_repeats_what_repetition_cannot_cure() {
    for code in [400, 401, 404, 410, 304, 302, 505] {
        assert_eq!(run(DEFAULT, vec![Ok(answer(code))]), (Some(code), vec![]));
    }
    for error in [HttpError::Tls(String::new()), HttpError::TooBig(1), HttpError::Refused(String::new())] {
        assert_eq!(run(DEFAULT, vec![Err(error)]), (None, vec![]));
    }
}

#[test]
fn heeds_retry_after_up_to_a_minute() {
    let late = |value| Ok(Response::new(429, &[("retry-after", value)], b""));
    let answers = vec![late("7"), late("86400"), late("tomorrow"), Ok(answer(201))];
    assert_eq!(run(DEFAULT, answers), (Some(201), vec![7, 60, 3]));
}

#[test]
fn looks_at_the_body_of_a_400_before_it_repeats_it() {
    let stale = || Ok(Response::new(400, &[], b"<Code>InvalidContainerConfiguration</Code>"));
    assert_eq!(run(ARTIFACT, vec![Ok(answer(400)), Ok(answer(200))]), (Some(200), vec![1]));
    assert_eq!(run(ARTIFACT, vec![stale()]), (Some(400), vec![]));
    assert!(is_stale(&stale().unwrap()) && is_stale(&answer(410)) && !is_stale(&answer(400)));
}

#[test]
fn gives_up_when_the_program_is_to_end() {
    let mut clock = Clock { waited: Vec::new(), goes_on: false };
    assert!(DEFAULT.run(&mut clock, || Err(broken())).is_err());
    assert_eq!(clock.waited.len(), 1);
}

#[test]
fn leaves_a_throttling_host_alone_for_longer_each_time() {
    let mut backoff = Backoff::default();
    let throttled = Throttled::of(&answer(503));
    assert!(throttled.is_some());
    let mut waits = Vec::new();
    for _ in 0..8 {
        backoff.note(throttled, Duration::ZERO, 20);
        waits.push((1..99).find(|second| backoff.is_over(Duration::from_secs(*second))).unwrap());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    backoff.note(None, Duration::ZERO, 20);
    assert!(backoff.is_over(Duration::ZERO));
    backoff.note(throttled, Duration::ZERO, 20);
    assert_eq!(backoff.until(), Duration::from_secs(1), "a success begins anew");
}

#[test]
fn leaves_a_host_alone_for_as_long_as_it_asks_but_not_over_a_minute() {
    let wait = |code, value, chance| {
        let mut backoff = Backoff::default();
        let now = Duration::from_secs(100);
        backoff.note(Throttled::of(&Response::new(code, &[("retry-after", value)], b"")), now, chance);
        assert!(!backoff.is_over(now) && backoff.is_over(backoff.until()));
        backoff.until().saturating_sub(now).as_millis()
    };
    assert_eq!((wait(503, "10", 0), wait(503, "10", 40)), (10_000, 12_000));
    assert_eq!((wait(429, "86400", 0), wait(429, "86400", 40)), (60_000, 60_000));
    assert_eq!((wait(403, "tomorrow", 0), wait(429, "0", 40)), (800, 1_200));
    assert!([200, 304, 401, 404, 410, 500, 502].iter().all(|code| Throttled::of(&answer(*code)).is_none()));
}
