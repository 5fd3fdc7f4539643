//! Step `host-name`: the machine's name, now and after a boot.

use anyhow::Result;
use nix::unistd::{gethostname, sethostname};
use waagent_common::durable;

use crate::pass::{Pass, StepOutcome};
use crate::{console, privileges};

const FILE: &str = "/etc/hostname";

/// The static name and the kernel's. A file that can't be written is a warning: a wrong name stops no work.
pub(crate) fn set(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let name = pass.plan.host_name.as_str();
    console::info(&format!("Set hostname [{name}]"));
    let path = pass.root.path(FILE);
    let line = format!("{name}\n");
    let mut changed = false;
    if durable::read_bounded(&path, 4096).is_ok_and(|old| old == line.as_bytes()) {
        // As it should be.
    } else if let Err(fault) = durable::write(&path, line.as_bytes(), 0o644) {
        pass.warn(format!("{fault}, ignoring"));
    } else {
        changed = true;
        pass.touched.push(path);
    }
    let is_other = gethostname().is_ok_and(|now| now.as_encoded_bytes() != name.as_bytes());
    if pass.root.is_live() && is_other {
        match sethostname(name) {
            Ok(()) => changed = true,
            Err(error) => pass.warn(format!("cannot set the kernel's host name: {error}, ignoring")),
        }
    }
    privileges::host_name_is_settled()?;
    note_resolution(pass);
    let text = format!("host name '{name}'");
    Ok(if changed { StepOutcome::Done(text) } else { StepOutcome::Unchanged(text) })
}

/// Without an answer for the own name sudo(8) complains each time.
fn note_resolution(pass: &mut Pass<'_>) {
    let read = |path: &str| {
        let bytes = durable::read_bounded(&pass.root.path(path), 1 << 20).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let name = pass.plan.host_name.as_str();
    let is_answered = read("/etc/nsswitch.conf")
        .lines()
        .any(|line| line.starts_with("hosts:") && line.split_whitespace().any(|word| word == "myhostname"));
    let is_listed = read("/etc/hosts")
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .any(|line| line.split_whitespace().skip(1).any(|word| word == name));
    if !is_answered && !is_listed {
        pass.warn(format!("nothing resolves '{name}': neither nss-myhostname nor /etc/hosts, ignoring"));
    }
}
