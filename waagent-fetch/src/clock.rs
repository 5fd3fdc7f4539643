//! Time and chance of the running program.

use std::thread;
use std::time::Duration;

use crate::retry::Pause;

/// Sleeps for real. In a worker thread or a single poll nobody waits for anything else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock;

impl Pause for Clock {
    fn pause(&mut self, time: Duration) -> bool {
        thread::sleep(time);
        true
    }

    fn random(&mut self, bound: u32) -> u32 {
        random(bound)
    }
}

/// A number below `bound`; 0 where the kernel gives none, which is as good for jitter.
pub(crate) fn random(bound: u32) -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes) % bound.max(1),
        Err(_) => 0,
    }
}

/// A random UUID, lower case with dashes (RFC 9562 version 4); zeros where the kernel gives no random bytes.
pub(crate) fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        return crate::goal_state::model::ZERO_ID.to_owned();
    }
    let mut number = u128::from_be_bytes(bytes);
    number = number & !(0xf << 76) | 4 << 76;
    number = number & !(0x3 << 62) | 2 << 62;
    let hex = format!("{number:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Since some moment of the past; never goes back, stops while the machine sleeps.
pub(crate) fn monotonic() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_ids_of_version_four() {
        let id = uuid();
        assert_eq!((id.len(), id.get(14..15), uuid() == id), (36, Some("4"), false));
        assert!("89ab".contains(id.get(19..20).unwrap()), "{id}");
        assert!((0..99).all(|_| random(3) < 3));
    }
}
