//! Points in time, as the documents and the log write them: UTC, RFC 3339.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Now, in whole seconds: `2026-01-31T08:00:00Z`.
pub fn now_seconds() -> String {
    in_seconds(Timestamp::now())
}

/// Now, with microseconds: `2026-01-31T08:00:00.123456Z`.
pub fn now_micros() -> String {
    in_micros(Timestamp::now())
}

/// Seconds since 1970; 0 for a clock before it.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since the machine was started, or zero where the kernel doesn't tell.
pub fn uptime() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Milliseconds since 1970; 0 for a clock before it.
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How far from now this time is, either way.
///
/// Taken for an age, it ends: a time just ahead, from before the clock was set back, is as good as new, and one far
/// ahead, which any file can be given, is old at once. Nothing need be remembered for that.
pub fn distance(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_else(|ahead| ahead.duration())
}

/// Seconds since 1970 as `2026-01-31T08:00:00Z`; `unknown` where no calendar has them.
pub fn of_unix(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds);
    time.map_or_else(|_| "unknown".to_owned(), in_seconds)
}

/// Microseconds since 1970 as `2026-01-31T08:00:00.123456Z`; none where no calendar has them.
pub fn of_unix_micros(micros: i64) -> Option<String> {
    Timestamp::from_microsecond(micros).ok().map(in_micros)
}

fn in_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn in_micros(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A GeneralizedTime as time stamps have it (`20260131080000.25Z`, RFC 3161 2.4.2), in whole seconds since 1970.
pub fn generalized(text: &[u8]) -> Option<i64> {
    let (seconds, fraction) = text.strip_suffix(b"Z")?.split_at_checked(14)?;
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    if !digits(seconds) || !(fraction.is_empty() || fraction.strip_prefix(b".").is_some_and(digits)) {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", seconds).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// A point in time that a document names; none where it isn't one, or before 1970.
pub fn parse(text: &str) -> Option<SystemTime> {
    let time: Timestamp = text.parse().ok()?;
    let since = Duration::try_from(time.as_duration()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_of_time_stamps() {
        assert_eq!(generalized(b"20250331220112.909Z"), Some(1_743_458_472));
        assert_eq!(generalized(b"20250331220112Z"), Some(1_743_458_472));
        for bad in [
            &b""[..],
            b"Z",
            b"20250331220112",
            b"202503312201Z",
            b"20250331220112.Z",
            b"20250331220112.9.9Z",
            b"20250331220112+0100",
            b"20250331220112.909+0100Z",
            b"20251331220112Z",
            b"20250230220112Z",
            b"+2025033122011Z",
            b"2025033122011\xff2Z",
        ] {
            assert_eq!(generalized(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
