//! A test program without libtest, which has threads: whoever takes on another identity or enters a sandbox here is a
//! process with one thread, as the programs are.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use waagent_declaration::Policy;

use crate::{child, declaration};

/// A test by its name.
pub type Test = (&'static str, fn());

/// Runs the tests one after another, and what follows from the declaration itself; in a child of theirs, its act. An
/// argument without a dash chooses by a part of the name.
pub fn main(policy: &Policy, tests: &[Test]) -> ExitCode {
    child(policy);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let (mut passed, mut failed) = (0, 0);
    let mut run = |name: &str, test: &dyn Fn()| {
        if !is_wanted(name) {
            return;
        }
        let is_ok = catch_unwind(AssertUnwindSafe(test)).is_ok();
        *(if is_ok { &mut passed } else { &mut failed }) += 1;
        say(&format!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" }));
    };
    for (name, test) in tests {
        run(name, test);
    }
    for (name, test) in declaration::TESTS {
        run(name, &|| test(policy));
    }
    say(&format!(
        "\ntest result: {}. {passed} passed; {failed} failed",
        if failed == 0 { "ok" } else { "FAILED" }
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}
