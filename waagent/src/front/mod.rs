//! The commands of `waagent`: each prints, hands over to the program or unit whose job it is, or
//! says that it isn't built.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use waagent_common::config::{Config, Severity};
use waagent_common::program::print;
use waagent_common::root::Root;

use crate::audit::{self, Machine};
use crate::cli::{Command, Flag, Request, UsageError};
use crate::status;

mod handover;
mod help;
mod version;

/// Exit statuses that scripts of image builders know.
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs a request.
pub fn run(request: &Request) -> ExitCode {
    match act(request) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(error.downcast_ref::<handover::Refused>().map_or(FAILED, |refused| refused.code))
        }
    }
}

/// Says what is wrong with the words, and how they should be.
pub fn usage_error(error: &UsageError) -> ExitCode {
    complain(&error.0);
    // The usage goes to standard output, where scripts of old expect it.
    let _unread = print(help::SYNOPSIS);
    ExitCode::from(USAGE)
}

fn act(request: &Request) -> Result<u8> {
    let has = |flag| request.flags.contains(&flag);
    match &request.command {
        Command::Help => said(help::TEXT),
        Command::Version => said(&version::text()),
        Command::ShowConfiguration => show_configuration(request),
        Command::CheckConfiguration => check_configuration(request),
        Command::Status => status::show(&Root::new(&request.root), has(Flag::Json)),
        Command::Audit => audit(request, has(Flag::Json)),
        Command::Policy(program) => handover::policy(program),
        Command::Daemon => handover::daemon(),
        Command::Start => handover::systemctl(&["start", "--no-block", "waagent.service"]),
        Command::RunExthandlers => {
            handover::systemctl(&["start", "waagent-fetch.service", "waagent-ext.service"])
        }
        Command::Provision => handover::systemctl(&["start", "waagent-provision.service"]),
        Command::RegisterService => handover::register(),
        Command::SetupFirewall(address) => handover::firewall(address),
        Command::CollectLogs => handover::missing("-collect-logs"),
        Command::Deprovision { .. } => handover::missing("-deprovision"),
    }
}

/// What `waagent -help` prints.
pub fn help_text() -> &'static str {
    help::TEXT
}

fn said(text: &str) -> Result<u8> {
    print(text)?;
    Ok(0)
}

/// 1 means a difference and nothing else: that nothing could be compared is 5.
fn audit(request: &Request, json: bool) -> Result<u8> {
    if request.root == Path::new("/") {
        handover::needs_root("audit")?;
    }
    audit::show(&Machine::new(&request.root), json).map_err(|error| handover::refused(&error).into())
}

fn show_configuration(request: &Request) -> Result<u8> {
    let config = Config::load(&request.root, request.configuration.as_deref())?;
    for warning in config.warnings() {
        complain(&warning.to_string());
    }
    let text = if request.flags.contains(&Flag::Origin) { config.show_with_origin() } else { config.show() };
    said(text.trim_end())
}

fn check_configuration(request: &Request) -> Result<u8> {
    let config = Config::load(&request.root, request.configuration.as_deref())?;
    let mut bad = 0;
    for warning in config.warnings() {
        complain(&warning.to_string());
        bad = bad.max(u8::from(warning.severity >= Severity::Warning));
    }
    Ok(bad)
}

fn complain(text: &str) {
    // Standard error that is closed is nobody's.
    let _unread = writeln!(io::stderr(), "waagent: {text}");
}
