//! The late pass of a boot: PID 1 starts it where its flag is there.

use std::time::{Duration, Instant};

use anyhow::Result;
use waagent_common::documents::{
    Certificates, Document, ProvisionOutcome, ProvisionStatus, ProvisioningAgent,
};
use waagent_common::durable;
use waagent_common::notify::notify;
use waagent_common::root::Root;

const FLAG: &str = "provision/late";
/// How long a pass waits for certificates that the network brings, in all.
pub const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(25);

/// Raises the flag before a pass does anything: one that is cut off has left something.
pub fn raise(root: &Root) -> Result<()> {
    let flag = root.runtime_path(FLAG);
    if !flag.exists() {
        durable::write(&flag, b"a pass of this boot has left something, or hasn't ended\n", 0o644)?;
    }
    Ok(())
}

/// Where certificates alone are waited for, they come within a moment once the network is up, and then need no start of
/// another pass: waits until there are others than `seen`, or the time is up.
pub fn await_certificates(root: &Root, seen: Option<&Document<Certificates>>, until: Instant) {
    let status = Document::<ProvisionStatus>::read_if_there(root).ok().flatten();
    let waits = |status: &ProvisionStatus| {
        let is_ours = status.agent == ProvisioningAgent::Waagent;
        is_ours && status.outcome == ProvisionOutcome::Waiting && status.errors.is_empty()
    };
    if !status.is_some_and(|status| waits(&status.body)) {
        return;
    }
    // All that doesn't need them is done: sshd, which is ordered after this unit, may start meanwhile.
    notify("READY=1");
    let has_none = || Document::<Certificates>::read_if_there(root).is_ok_and(|now| now.as_ref() == seen);
    while Instant::now() < until && has_none() {
        std::thread::sleep(LOOK);
    }
}

/// Lowers it where a pass has ended well, and its status says that nothing is left.
pub fn settle<T>(root: &Root, outcome: &Result<T>) -> Result<()> {
    // What can't be read is no status that says so; whoever shows it names the fault.
    let status = Document::<ProvisionStatus>::read_if_there(root).ok().flatten();
    let is_settled = |status: &ProvisionStatus| match status.outcome {
        // What has failed may come right by what comes later: a medium, a certificate, room on the disk.
        ProvisionOutcome::Running | ProvisionOutcome::Waiting | ProvisionOutcome::Failed => false,
        ProvisionOutcome::Done | ProvisionOutcome::Already | ProvisionOutcome::Disabled => true,
    };
    // One that ended in an error may have left the status of a boot before.
    if outcome.is_ok() && status.is_some_and(|status| is_settled(&status.body)) {
        durable::remove(&root.runtime_path(FLAG))?;
    }
    Ok(())
}
