//! When to ask again: one policy for all requests, with the clock passed in.

use std::time::Duration;

use crate::http::{HttpError, Response};

/// Bounds of the repetition of one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// All told, the first included.
    pub(crate) attempts: u32,
    /// Does a 400 say "not yet" (the host's artifact cache), and not "bad request"?
    pub(crate) bad_request_is_late: bool,
}

/// A blob that must not delay the goal state.
pub(crate) const TWICE: Attempts = Attempts { attempts: 2, bad_request_is_late: false };
/// Everything else.
pub(crate) const DEFAULT: Attempts = Attempts { attempts: 6, bad_request_is_late: false };
/// `extensionArtifact` of the HostGAPlugin.
pub(crate) const ARTIFACT: Attempts = Attempts { attempts: 6, bad_request_is_late: true };

/// Time and chance, so that tests need neither.
pub trait Pause {
    /// Waits; says no when the program is to end.
    fn pause(&mut self, time: Duration) -> bool;
    /// A number below `bound`, for jitter.
    fn random(&mut self, bound: u32) -> u32;
}

impl Attempts {
    /// Sends until there is an answer worth keeping, an error that repetition can't cure, or no attempt left.
    ///
    /// The last answer is given back whatever its status is: the caller names it.
    pub(crate) fn run(
        self,
        clock: &mut dyn Pause,
        mut send: impl FnMut() -> Result<Response, HttpError>,
    ) -> Result<Response, HttpError> {
        let mut made = 1;
        loop {
            let result = send();
            let asked = match &result {
                Ok(response) if !self.is_late(response) => return result,
                Err(error) if !error.is_retryable() => return result,
                Ok(response) => response.retry_after(),
                Err(_) => None,
            };
            let wait = asked.unwrap_or_else(|| delay(made, clock.random(41)));
            if made >= self.attempts || !clock.pause(wait) {
                return result;
            }
            made += 1;
        }
    }

    /// Does the status say that the same request may succeed later?
    pub(crate) fn is_late(self, response: &Response) -> bool {
        match response.status {
            205 | 206 | 403 | 429 | 500..=504 | 507 => true,
            400 => self.bad_request_is_late && !is_stale(response),
            _ => false,
        }
    }
}

/// Has the machine moved, so that container id and role configuration name are those of another host?
pub(crate) fn is_stale(response: &Response) -> bool {
    let says = |text: &[u8]| response.body.windows(text.len()).any(|part| part == text);
    response.status == 410
        || (response.status == 400
            && (says(b"InvalidContainerConfiguration") || says(b"RequestRoleConfigFileNotFound")))
}

/// 1, 2, 3, 5, 8 s, less or more by a fifth, at most 15 s. `chance` is 0 to 40: percent above 80.
pub(crate) fn delay(made: u32, chance: u32) -> Duration {
    let (mut delay, mut next) = (1_u32, 2_u32);
    for _ in 1..made.min(8) {
        (delay, next) = (next, delay + next);
    }
    (Duration::from_secs(u64::from(delay)) * (80 + chance) / 100).min(Duration::from_secs(15))
}

/// A host said "too many requests".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    /// How long it wants to be left alone (`Retry-After`), if it says so.
    pub(crate) asked: Option<Duration>,
}

impl Throttled {
    /// Does the answer say so? 403 counts: the platform answers with it under load.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        matches!(response.status, 403 | 429 | 503).then(|| Self { asked: response.retry_after() })
    }
}

/// Leaves a host alone that said "too many requests", twice as long each time, up to a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    delay: Duration,
    until: Duration,
}

impl Backoff {
    /// May the host be asked at this moment of the monotonic clock?
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        now >= self.until
    }

    /// The moment of the monotonic clock before which the host isn't asked.
    pub(crate) fn until(&self) -> Duration {
        self.until
    }

    /// Takes note of a success (None), or of a host that wants to be left alone. `chance` is 0 to 40: percent above
    /// 80; never less than the host asked for, never more than a minute.
    pub(crate) fn note(&mut self, throttled: Option<Throttled>, now: Duration, chance: u32) {
        let Some(Throttled { asked }) = throttled else {
            *self = Self::default();
            return;
        };
        let asked = asked.unwrap_or_default();
        self.delay = (self.delay * 2).max(asked).clamp(Duration::from_secs(1), LONGEST);
        let wait = self.delay * (80 + chance.min(40)) / 100;
        self.until = now + wait.max(asked).min(LONGEST);
    }
}

/// That a host is left alone.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
