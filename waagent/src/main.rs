//! `waagent`: the command that people and tools know.
//!
//! Does: prints versions, configuration, the state of the whole chain, or a program's policy; everything else it
//! hands to the program or unit whose job it is.
//! Reads: the configuration, and for `status` the documents of all programs.
//! Writes: nothing.
//! Exit codes: 0 done; 1 failed; 2 usage; 3 not confirmed; 4 not permitted; 5 busy or refused.
//! Security: it runs as its caller and gains nothing.
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
