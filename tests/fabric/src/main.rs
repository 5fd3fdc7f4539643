//! `waagent-fabric`: a fake Azure platform for tests and the demo. See README.md.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sys::signal::{SigSet, Signal};

use waagent_fabric::args::{Args, ScenarioArgs, Serve, Verb};
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::identity::{self, Identities};
use waagent_fabric::scenario::Scenario;
use waagent_fabric::{canaries, client, media, report};

fn main() -> ExitCode {
    match run(Args::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Standard error is gone only if nobody listens.
            drop(writeln!(std::io::stderr(), "waagent-fabric: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(verb: Verb) -> Result<bool> {
    match verb {
        Verb::Serve(serve) => serve_until_signal(serve)?,
        Verb::Media { scenario, out, ssh_key } => {
            let (scenario, identities) = load(&scenario)?;
            let keys: Vec<String> = ssh_key.iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
            media::write(&scenario, &identities, &keys, &out)?;
        }
        Verb::Canaries { scenario } => {
            let (scenario, identities) = load(&scenario)?;
            let canaries = canaries::all(&scenario, &identities)?;
            writeln!(stdout(), "{}", serde_json::to_string_pretty(&canaries)?)?;
        }
        Verb::Record { control, pretty: true } => report::print(&client::record(control)?, &mut stdout())?,
        Verb::Record { control, pretty: false } => {
            writeln!(stdout(), "{}", serde_json::to_string_pretty(&client::record(control)?)?)?;
        }
        Verb::Next { control } => return client::next(control),
        Verb::Wait { control, until, timeout } => {
            return client::wait(control, &until, Duration::from_secs(timeout));
        }
    }
    Ok(true)
}

fn load(args: &ScenarioArgs) -> Result<(Scenario, Identities)> {
    let scenario = Scenario::load(&args.scenario)?;
    let identities = identity::all(&scenario.certificate, args.state.as_deref())?;
    Ok((scenario, identities))
}

fn serve_until_signal(args: Serve) -> Result<()> {
    // Blocked before any thread starts, so that all inherit it and only the wait below takes them.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block().context("cannot block signals")?;
    let scenario = Scenario::load(&args.scenario.scenario)?;
    let options = Options {
        wire_server: args.wire_server,
        host_plugin: args.host_plugin,
        imds: args.imds,
        storage_http: args.storage_http,
        storage_https: args.storage_https,
        control: args.control,
        storage_host: args.storage_host,
        state: args.scenario.state,
    };
    let keeps_record = options.state.is_some();
    let fabric = Fabric::start(scenario, &options)?;
    writeln!(stdout(), "serving: {:?}", fabric.addresses())?;
    let fabric = Arc::new(fabric);
    if keeps_record {
        let saved = Arc::clone(&fabric);
        std::thread::spawn(move || saved.save_record_on_change());
    }
    signals.wait().context("cannot wait for signals")?;
    fabric.save_record()
}
