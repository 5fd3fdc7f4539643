//! What a person sees: one line per event, with its time and the program it is about.

use std::io::{self, Write};
use std::time::Duration;

use waagent_common::text::one_line;
use waagent_common::time::now_micros;

/// Longest line, in bytes.
const MAX_LINE: usize = 1000;

/// A line of or about a program.
pub fn say(program: &str, text: &str) {
    // `2026-01-31T08:00:00.123456Z`: the time of day, to milliseconds.
    let now = now_micros();
    let time = now.get(11..23).unwrap_or_default();
    let line = format!("{time} {program:<18} {}\n", one_line(text, MAX_LINE));
    // Without a terminal to write to there is nobody to tell.
    let _unwritten = io::stderr().write_all(line.as_bytes());
}

/// A duration as people read it: `12 ms`, `1.3 s`.
pub fn brief(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms < 1000 { format!("{ms} ms") } else { format!("{:.1} s", duration.as_secs_f64()) }
}

/// A size in MiB with one decimal: `3.1 MiB`.
pub fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(brief(Duration::from_millis(12)), "12 ms");
        assert_eq!(brief(Duration::from_millis(1340)), "1.3 s");
        assert_eq!(mib(3_300_000), "3.1 MiB");
    }
}
