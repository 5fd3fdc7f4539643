//! waagent: the command that people and tools know.
//!
//! **Does**: prints versions, configuration, the state of the whole chain, or a program's policy; compares what is in force
//! with what is declared (`audit`). Everything else it hands to the program or unit whose job it is.
//!
//! **Reads**: the configuration; for `status` and `audit` the documents of all programs; for `audit` units, processes, labels,
//! modes, and the installed files with their manifest.
//!
//! **Writes**: nothing itself; what it hands over to does (`-register-service`, `-start`, `-setup-firewall`).
//!
//! **Exit codes**: 0 done; 1 failed, or `audit` found a difference; 2 usage; 4 not permitted; 5 busy or refused.
//!
//! **Security**: it runs as its caller and gains nothing.
//!
//! **Where**: `cli` reads the command line of the agent before this one, `front/` acts on it (and says what isn't built:
//! deprovisioning, the collection of logs), `status/` and `audit/` are the two that look at the whole machine.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use waagent::{cli, front};

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match cli::parse(&words) {
        Ok(request) => front::run(&request),
        Err(error) => front::usage_error(&error),
    }
}
