//! Says that a test, or a part of it, isn't run here. To Rust's harness such a test has passed, and what it printed is
//! kept from sight; `tests/run` counts these lines and names them at its end.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

/// Is this root, whose rights the test needs for this? If not, it is said.
pub fn is_root(purpose: &str) -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        not_tested(&format!("needs root, {purpose}"));
    }
    is_root
}

/// Says that the calling test isn't run, and why. Straight to the descriptor: the harness holds back only what the
/// print macros write.
pub fn not_tested(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("\nNOT TESTED  {test}: {why}\n");
    // Who can't hear it can't be told either.
    let _unheard = io::stderr().lock().write_all(line.as_bytes());
}
