//! Handing over: to systemd, or to the program whose job it is. Absolute paths, built environment.

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use waagent_common::program::print;
use waagent_common::text::shown;

/// Where the programs are installed.
const PROGRAMS: &str = "/usr/libexec/waagent";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const NOT_PERMITTED: u8 = 4;
const REFUSED: u8 = 5;

/// A request that isn't carried out, with its exit status.
#[derive(Debug)]
pub struct Refused {
    /// 4 or 5.
    pub code: u8,
    text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

/// An error that isn't the answer to what was asked.
pub fn refused(error: &anyhow::Error) -> Refused {
    Refused { code: REFUSED, text: format!("{error:#}") }
}

/// Prints a program's declaration; the program itself knows it.
pub fn policy(program: &str) -> Result<u8> {
    let known =
        program.starts_with("waagent-") && program.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !known {
        bail!("'{}' is no program of the agent; 'ls {PROGRAMS}' lists them", shown(program));
    }
    replace(&Path::new(PROGRAMS).join(program), &["--policy"])
}

/// Runs the chain in the foreground: by systemd where it is, else under the supervisor.
pub fn daemon() -> Result<u8> {
    needs_root("-daemon")?;
    if is_booted_by_systemd() {
        return systemctl(&["start", "--wait", "waagent.target"]);
    }
    replace(&Path::new(PROGRAMS).join("waagent-supervise"), &[])
}

/// `systemctl` with these words; its exit status tells.
pub fn systemctl(words: &[&str]) -> Result<u8> {
    needs_root(words.last().copied().unwrap_or_default())?;
    if !is_booted_by_systemd() {
        bail!("systemd isn't running; 'waagent -daemon' runs the agent under its own supervisor");
    }
    let status = environment(Command::new(SYSTEMCTL).args(words)).status().context(SYSTEMCTL)?;
    Ok(u8::from(!status.success()))
}

/// Enables and restarts the service, with the lines that scripts know.
pub fn register() -> Result<u8> {
    needs_root("-register-service")?;
    print("Register WALinuxAgent service")?;
    let enabled = systemctl(&["enable", "waagent.service"])?;
    print("Stop WALinuxAgent service")?;
    print("Start WALinuxAgent service")?;
    Ok(enabled.max(systemctl(&["restart", "waagent.service"])?))
}

/// Sets the firewall, for the address that the unit knows: the one given is looked at for its form alone.
pub fn firewall(address: &str) -> Result<u8> {
    if address.parse::<Ipv4Addr>().is_err() {
        bail!("-setup-firewall: '{}' is no IPv4 address", shown(address));
    }
    systemctl(&["start", "waagent-firewall.service"])
}

/// Refuses (5) a word of WALinuxAgent's that no program here stands behind.
pub fn missing(what: &str) -> Result<u8> {
    let text = format!("{what} isn't in this version of the agent; nothing was changed");
    Err(Refused { code: REFUSED, text }.into())
}

/// Becomes another program of the agent; returns only if that fails.
fn replace(program: &Path, words: &[&str]) -> Result<u8> {
    if !program.exists() {
        let text = format!("'{}' isn't installed; reinstall the agent's package", program.display());
        return Err(Refused { code: REFUSED, text }.into());
    }
    let error = environment(Command::new(program).args(words)).exec();
    Err(error).with_context(|| format!("cannot execute '{}'", program.display()))
}

fn environment(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8")
}

/// Refuses (4) whoever isn't root.
pub fn needs_root(what: &str) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let text = format!("{what}: run as root (sudo waagent ...)");
    Err(Refused { code: NOT_PERMITTED, text }.into())
}

/// The test of `sd_booted(3)`.
fn is_booted_by_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}
