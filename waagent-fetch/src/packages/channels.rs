//! Several places and two channels: all of them are tried before any of them is asked again.

use std::fmt;
use std::time::{Duration, Instant};

pub use waagent_common::documents::DownloadChannel as Channel;
use waagent_common::log;

use crate::http::{HttpError, Response, StorageUri};
use crate::retry::{ARTIFACT, DEFAULT, Pause, delay, is_stale};
use crate::storage::failure;

fn other(channel: Channel) -> Channel {
    if channel == Channel::Direct { Channel::HostGaPlugin } else { Channel::Direct }
}

/// Why one attempt, or all of them, brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownloadFailure {
    /// For people: names the place, without its query.
    pub(crate) text: String,
    /// What may help.
    pub(crate) cure: Cure,
}

/// What may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cure {
    /// Nothing: not this place by this channel.
    None,
    /// The same again, after this time where the host said so.
    Later(Option<Duration>),
    /// The newest goal state: the host knows this machine by other ids now.
    NewGoalState,
    /// The next run of this program: this one is to end.
    NextRun,
}

impl DownloadFailure {
    /// The same, with what was to be got.
    #[must_use]
    pub(crate) fn of(self, what: &str) -> Self {
        Self { text: format!("{what}. Last error: {}", self.text), cure: self.cure }
    }

    /// This place by this channel is no good.
    pub(crate) fn lasting(uri: &StorageUri, channel: Channel, why: impl fmt::Display) -> Self {
        let text = failure(uri, &HttpError::Broken(format!("{why} ({})", by(channel))));
        Self { text, cure: Cure::None }
    }

    /// What an exchange without an answer means.
    pub(crate) fn of_error(uri: &StorageUri, channel: Channel, error: &HttpError) -> Self {
        let cure = if error.is_retryable() { Cure::Later(None) } else { Cure::None };
        Self { text: format!("{} ({})", failure(uri, error), by(channel)), cure }
    }

    /// What an answer means that isn't a success.
    pub(crate) fn of_answer(uri: &StorageUri, channel: Channel, response: &Response) -> Self {
        let attempts = if channel == Channel::Direct { DEFAULT } else { ARTIFACT };
        let cure = match channel {
            Channel::HostGaPlugin if is_stale(response) => Cure::NewGoalState,
            _ if attempts.is_late(response) => Cure::Later(response.retry_after()),
            _ => Cure::None,
        };
        let why = match (response.status, response.header("location")) {
            (300..=399, Some(to)) => {
                format!("status {}: it leads to {}, redirects aren't followed", response.status, host_of(to))
            }
            _ => response.shown(),
        };
        Self { cure, ..Self::lasting(uri, channel, why) }
    }
}

/// How the search begins: the order is part of the input, so that tests need no chance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Which of the places is first: spreads the load over them.
    pub(crate) index: usize,
    /// Which channel is first at each place.
    pub(crate) channel: Channel,
    /// How often each place is tried at most.
    pub(crate) channels: u32,
    /// When to give up.
    pub(crate) deadline: Instant,
}

/// Tries each place by both channels, then those again that may do better later.
///
/// `Err` is what each channel said last, or the failure that asks for another goal state; its cure is `Later` where another search
/// may do better.
pub(crate) fn search<T>(
    places: &[StorageUri],
    start: Start,
    clock: &mut dyn Pause,
    mut attempt: impl FnMut(&StorageUri, Channel) -> Result<T, DownloadFailure>,
) -> Result<(T, StorageUri, Channel), DownloadFailure> {
    let channels = [start.channel, other(start.channel)];
    let turned = places.iter().cycle().skip(start.index).take(places.len());
    let mut left: Vec<(&StorageUri, Channel)> =
        turned.flat_map(|root| channels.into_iter().map(move |channel| (root, channel))).collect();
    let mut said = Said::default();
    let mut stale = None;
    for made in 1..=start.channels {
        let mut wait = None;
        for (root, channel) in std::mem::take(&mut left) {
            if Instant::now() >= start.deadline {
                return Err(stale.unwrap_or_else(|| said.as_failure(Cure::None, "no time left; ")));
            }
            match attempt(root, channel) {
                Ok(got) => {
                    if channel != start.channel {
                        // Said once: the channel that served is the first one from now on.
                        let why = said.as_failure(Cure::None, "").text;
                        log::warning(&format!("{why}, using the other way: {channel}"));
                    }
                    return Ok((got, root.clone(), channel));
                }
                Err(failure) => {
                    match failure.cure {
                        Cure::Later(asked) => {
                            left.push((root, channel));
                            wait = wait.max(asked);
                        }
                        Cure::NewGoalState => stale = Some(failure.clone()),
                        Cure::NextRun => return Err(failure),
                        Cure::None => {}
                    }
                    said.note(channel, failure.text);
                }
            }
        }
        // A host that knows us no more is a quick cure: waiting for the other channel isn't.
        if let Some(stale) = stale {
            return Err(stale);
        }
        if left.is_empty() || made == start.channels {
            break;
        }
        let wait = wait.unwrap_or_else(|| delay(made, clock.random(41)));
        if !clock.pause(wait) {
            return Err(said.as_failure(Cure::NextRun, ""));
        }
    }
    let cure = if left.is_empty() { Cure::None } else { Cure::Later(None) };
    Err(said.as_failure(cure, ""))
}

/// What each channel said last: why one fails explains nothing about the other.
#[derive(Debug, Default)]
struct Said {
    directly: Option<String>,
    by_plugin: Option<String>,
}

impl Said {
    fn note(&mut self, channel: Channel, text: String) {
        match channel {
            Channel::Direct => self.directly = Some(text),
            Channel::HostGaPlugin => self.by_plugin = Some(text),
        }
    }

    fn as_failure(&self, cure: Cure, before: &str) -> DownloadFailure {
        let texts: Vec<&str> =
            [&self.directly, &self.by_plugin].into_iter().flatten().map(String::as_str).collect();
        let texts = if texts.is_empty() { "there is no URI".to_owned() } else { texts.join("; ") };
        DownloadFailure { text: format!("{before}{texts}"), cure }
    }
}

fn by(channel: Channel) -> &'static str {
    match channel {
        Channel::Direct => "directly",
        Channel::HostGaPlugin => "by the host's plugin",
    }
}

/// The host that a `Location` names; nothing else of it is shown.
fn host_of(location: &str) -> String {
    let rest = location.split_once("://").map_or(location, |(_, rest)| rest);
    waagent_common::text::shown(rest.split(['/', '?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
