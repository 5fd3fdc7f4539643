//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};

use crate::until::Until;

/// A fake Azure platform for tests and the demo.
#[derive(Debug, Parser)]
#[command(name = "waagent-fabric", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serves a scenario until SIGTERM or SIGINT
    Serve(Serve),
    /// Writes the folder of the provisioning DVD
    Media {
        /// The scenario
        #[command(flatten)]
        scenario: ScenarioArgs,
        /// Folder to write
        #[arg(long)]
        out: PathBuf,
        /// File of a further public key for the user, an OpenSSH line
        #[arg(long)]
        ssh_key: Vec<PathBuf>,
    },
    /// Lists the scenario's secrets as JSON: name to literal strings
    Canaries {
        /// The scenario
        #[command(flatten)]
        scenario: ScenarioArgs,
    },
    /// Prints what a running fabric received
    Record {
        /// Its control address
        #[arg(long, default_value = CONTROL)]
        control: SocketAddr,
        /// For people instead of JSON
        #[arg(long)]
        pretty: bool,
    },
    /// Moves a running fabric to its next goal state; exit 1 if it has none
    Next {
        /// Its control address
        #[arg(long, default_value = CONTROL)]
        control: SocketAddr,
    },
    /// Waits for a condition; exit 1 if it isn't met in time
    Wait {
        /// Its control address
        #[arg(long, default_value = CONTROL)]
        control: SocketAddr,
        /// provisioning, ready, failed, status, status-success, status-done, role-properties, telemetry,
        /// polls=N, uploads=N, goal-state=N, requests:ROUTE=N
        #[arg(long)]
        until: Until,
        /// Seconds
        #[arg(long, default_value_t = 60)]
        timeout: u64,
    },
}

/// A scenario and where its keys are kept.
#[derive(Debug, Arguments)]
pub struct ScenarioArgs {
    /// The scenario file
    #[arg(long)]
    pub scenario: PathBuf,
    /// Folder that keeps keys, CA and record; the same for `media`, `canaries` and `serve`
    #[arg(long)]
    pub state: Option<PathBuf>,
}

/// Where to serve.
#[derive(Debug, Arguments)]
pub struct Serve {
    /// The scenario
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// WireServer
    #[arg(long, default_value = "168.63.129.16:80")]
    pub wire_server: SocketAddr,
    /// HostGAPlugin
    #[arg(long, default_value = "168.63.129.16:32526")]
    pub host_plugin: SocketAddr,
    /// IMDS
    #[arg(long, default_value = "169.254.169.254:80")]
    pub imds: SocketAddr,
    /// Storage in clear
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub storage_http: SocketAddr,
    /// Storage by TLS
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub storage_https: SocketAddr,
    /// Host name in blob URIs; default: the address of storage
    #[arg(long)]
    pub storage_host: Option<String>,
    /// Control port
    #[arg(long, default_value = CONTROL)]
    pub control: SocketAddr,
}

/// Control address when none is given.
const CONTROL: &str = "127.0.0.1:8099";
