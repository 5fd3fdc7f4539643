use super::*;

/// Never waits; notes how long it was told to.
#[derive(Default)]
struct Clock {
    waited: Vec<Duration>,
    ends: bool,
}

impl Pause for Clock {
    fn pause(&mut self, time: Duration) -> bool {
        self.waited.push(time);
        !self.ends
    }

    fn random(&mut self, _: u32) -> u32 {
        20
    }
}

fn places(names: &[&str]) -> Vec<StorageUri> {
    names
        .iter()
        .map(|name| StorageUri::parse(&format!("https://{name}/x?sig=CANARY"), false).unwrap())
        .collect()
}

fn start(index: usize, channel: Channel) -> Start {
    Start { index, channel, channels: 6, deadline: Instant::now() + Duration::from_secs(300) }
}

fn failing(cure: Cure) -> DownloadFailure {
    DownloadFailure { text: "it failed".to_owned(), cure }
}

#[test]
fn tries_every_place_by_both_channels_before_it_waits() {
    let (mut clock, mut tried) = (Clock::default(), Vec::new());
    let result =
        search(&places(&["a", "b", "c"]), start(2, Channel::HostGaPlugin), &mut clock, |root, channel| {
            tried.push(format!("{} {channel:?}", root.host()));
            if tried.len() == 7 { Ok(()) } else { Err(failing(Cure::Later(None))) }
        });
    let expected = [
        "c HostGaPlugin",
        "c Direct",
        "a HostGaPlugin",
        "a Direct",
        "b HostGaPlugin",
        "b Direct",
        "c HostGaPlugin",
    ];
    assert_eq!(tried, expected);
    assert_eq!((result.unwrap().2, clock.waited), (Channel::HostGaPlugin, vec![Duration::from_secs(1)]));
}

#[test]
fn gives_up_after_six_tries_and_at_once_where_nothing_helps() {
    let (mut clock, mut tried) = (Clock::default(), 0);
    let result = search(&places(&["a"]), start(0, Channel::Direct), &mut clock, |_, _| {
        tried += 1;
        Err::<(), _>(failing(Cure::Later(None)))
    });
    assert_eq!((tried, clock.waited.len(), result.unwrap_err().cure), (12, 5, Cure::Later(None)));
    let (mut clock, mut tried) = (Clock::default(), 0);
    let result = search(&places(&["a", "b"]), start(0, Channel::Direct), &mut clock, |_, _| {
        tried += 1;
        Err::<(), _>(failing(Cure::None))
    });
    assert_eq!((tried, clock.waited.len(), result.unwrap_err().cure), (4, 0, Cure::None));
}

#[test]
fn waits_as_long_as_the_host_asked() {
    let mut clock = Clock::default();
    let asked = Some(Duration::from_secs(17));
    let result = search(&places(&["a"]), start(0, Channel::Direct), &mut clock, |_, channel| {
        Err::<(), _>(failing(Cure::Later(if channel == Channel::Direct { asked } else { None })))
    });
    assert!(result.is_err());
    assert_eq!(clock.waited, [Duration::from_secs(17); 5]);
}

#[test]
fn asks_for_a_new_goal_state_only_when_no_place_served() {
    let stale =
        |channel| failing(if channel == Channel::Direct { Cure::Later(None) } else { Cure::NewGoalState });
    let mut clock = Clock::default();
    let result = search(&places(&["a", "b"]), start(0, Channel::Direct), &mut clock, |_, channel| {
        Err::<(), _>(stale(channel))
    });
    assert_eq!((result.unwrap_err().cure, clock.waited.len()), (Cure::NewGoalState, 0));
    let result =
        search(&places(&["a", "b"]), start(0, Channel::HostGaPlugin), &mut clock, |root, channel| {
            if root.host() == "b" { Ok(()) } else { Err(stale(channel)) }
        });
    assert!(result.is_ok());
}

#[test]
fn ends_with_the_program_and_with_its_time() {
    let mut clock = Clock { ends: true, ..Clock::default() };
    let late = |_: &StorageUri, _| Err::<(), _>(failing(Cure::Later(None)));
    let result = search(&places(&["a"]), start(0, Channel::Direct), &mut clock, late);
    assert_eq!(result.unwrap_err().cure, Cure::NextRun);
    let over = Start { deadline: Instant::now(), ..start(0, Channel::Direct) };
    let result = search(&places(&["a"]), over, &mut Clock::default(), |_, _| Ok(()));
    assert!(result.unwrap_err().text.contains("no time left"));
    assert_eq!(
        search(&[], start(0, Channel::Direct), &mut Clock::default(), late).unwrap_err().text,
        "there is no URI"
    );
}

#[test]
fn judges_answers_by_channel_and_shows_no_signature() {
    let uri = &places(&["a"])[0];
    let answer = |status, headers: &[(&'static str, &str)], body: &str| {
        Response::new(status, headers, body.as_bytes())
    };
    for (channel, response, cure) in [
        (Channel::Direct, answer(404, &[], ""), Cure::None),
        (Channel::Direct, answer(400, &[], ""), Cure::None),
        (Channel::Direct, answer(410, &[], ""), Cure::None),
        (
            Channel::Direct,
            answer(503, &[("retry-after", "7")], ""),
            Cure::Later(Some(Duration::from_secs(7))),
        ),
        (Channel::HostGaPlugin, answer(400, &[], "not yet"), Cure::Later(None)),
        (Channel::HostGaPlugin, answer(400, &[], "InvalidContainerConfiguration"), Cure::NewGoalState),
        (Channel::HostGaPlugin, answer(410, &[], ""), Cure::NewGoalState),
    ] {
        let failure = DownloadFailure::of_answer(uri, channel, &response);
        assert_eq!(failure.cure, cure, "{channel:?} {}", response.status);
        assert!(failure.text.contains("https://a/x") && !failure.text.contains("CANARY"), "{}", failure.text);
    }
    let moved = answer(302, &[("location", "https://evil/y?sig=CANARY")], "");
    let text = DownloadFailure::of_answer(uri, Channel::Direct, &moved).text;
    assert!(text.contains("leads to evil, redirects aren't followed") && !text.contains("CANARY"), "{text}");
}
