//! Arguments of `waagent-supervise`.

use std::path::PathBuf;

/// Plays PID 1 for the Azure Linux agent on machines without systemd
///
/// Runs the programs of the agent in the order of a boot, each as the user and with the capabilities that its unit
/// gives it, and then whenever what they wait for changes. Stays in the foreground; SIGTERM ends it and what it
/// started, but for the commands of extensions. Needs root.
#[derive(Debug, clap::Parser)]
#[command(name = "waagent-supervise", version = waagent_common::AGENT_VERSION)]
pub struct Args {
    /// Where the agent's programs are
    #[arg(long, value_name = "DIR", default_value = "/usr/libexec/waagent")]
    pub programs: PathBuf,
    /// Accounts to make, in the format of sysusers.d(5)
    #[arg(long, value_name = "FILE", default_value = "/usr/lib/sysusers.d/waagent.conf")]
    pub sysusers: PathBuf,
    /// Folders to make, in the format of tmpfiles.d(5)
    #[arg(long, value_name = "FILE", default_value = "/usr/lib/tmpfiles.d/waagent.conf")]
    pub tmpfiles: PathBuf,
    /// Take this as the provisioning medium, and look for no other
    #[arg(long, value_name = "PATH")]
    pub media_device: Option<PathBuf>,
    /// Take this as the resource disk, and look for no other
    #[arg(long, value_name = "PATH")]
    pub disk_device: Option<PathBuf>,
    /// Used by waagent-supervise itself: become this program, with the socket on descriptor 3
    #[arg(long, value_name = "PROGRAM", hide = true)]
    pub exec_with_socket: Option<PathBuf>,
}
