//! The document, filled as the work goes on, and written at its end, whatever that is.

use waagent_common::config::{Config, OptionalIntegerKey};
use waagent_common::documents::{DiskPhase, DiskState, Document, Inputs, ResourceDisk, Written, write};
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::cut;

use super::decide::Decision;
use super::disk::Disk;
use super::facts::{Facts, Part};
use super::find;
use super::flags::Flag;
use super::scsi;
use super::table::Table;

/// Longest reason, in bytes.
const MAX_REASON: usize = 2048;

/// A document about no disk yet.
pub fn empty() -> ResourceDisk {
    ResourceDisk {
        state: DiskState::Absent,
        reason: String::new(),
        phase: DiskPhase::Prepared,
        device: None,
        evidence: Vec::new(),
        partition: None,
        filesystem: None,
        uuid: None,
        mount_point: None,
        mount_options: None,
        managed_by: None,
        swap: None,
        nvme_local: find::local_nvme(std::path::Path::new("/sys")),
        scsi_timeout: None,
        warnings: Vec::new(),
    }
}

/// Sets the timeouts of SCSI disks, now and, by the flag that udev's rule reads, of those that come later.
pub fn set_timeouts(root: &Root, config: &Config, body: &mut ResourceDisk) -> Result<(), Fault> {
    let Some(seconds) = config.optional_integer(OptionalIntegerKey::OsRootDeviceScsiTimeout) else {
        return Flag::ScsiTimeout.lower(root);
    };
    body.scsi_timeout = Some(scsi::set(std::path::Path::new("/sys"), seconds));
    Flag::ScsiTimeout.keep(root, &seconds.to_string())
}

/// What the decision was made from.
pub fn evidence(disk: &Disk, facts: &Facts) -> Vec<String> {
    let mut evidence = vec![format!("found by {}", disk.found_by)];
    evidence.push(match &facts.table {
        Table::None => "no partition table".to_owned(),
        Table::Mbr(parts) => format!("MBR with {} partitions", parts.len()),
        Table::Gpt(parts) => format!("GPT with {} partitions", parts.len()),
        Table::Damaged(why) => why.clone(),
    });
    if !facts.whole.found.is_empty() {
        evidence.push(format!("whole disk: {}", facts.whole.named(", ")));
    }
    evidence.extend(facts.parts.iter().take(32).map(part));
    if let Some(journal) = &facts.journal {
        evidence.push(format!("journal: {} as {}", journal.phase, journal.file_system));
    }
    evidence
}

fn part(part: &Part) -> String {
    let found = match part.signatures.found.as_slice() {
        [] if part.signatures.first_data.is_none() => "blank".to_owned(),
        [] => "unknown data".to_owned(),
        _ => part.signatures.named(" and "),
    };
    let label = part.label.as_ref().filter(|label| !label.is_empty());
    let label =
        label.map_or_else(String::new, |label| format!(", label '{}'", waagent_common::text::shown(label)));
    format!("partition {}: {found}{label}, {} MiB", part.entry.number, part.entry.length >> 20)
}

/// For `--plan`.
pub fn plan(disk: &Disk, decision: &Decision, evidence: &[String]) -> String {
    let what = match decision {
        Decision::Format(blank) => {
            format!("would format '{}' as {}: {}", disk.name, blank.maker().file_system, blank.why())
        }
        Decision::Mount { why, .. } => format!("would ask for the mount of '{}': {why}", disk.name),
        Decision::Mounted { point, .. } => format!("'{}' is mounted at '{}'", disk.name, point.display()),
        Decision::Busy(why) => format!("would leave '{}' alone, it is in use: {why}", disk.name),
        Decision::Foreign(why) => format!("would leave '{}' alone: {why}", disk.name),
    };
    format!("{what}\n  {}", evidence.join("\n  "))
}

/// Writes the document and turns it into the result line.
pub fn write_and_say(
    root: &Root,
    mut body: ResourceDisk,
    said: &str,
    inputs: &Inputs,
    sandbox: &Sandbox,
) -> Result<Outcome, Fault> {
    body.reason = cut(&body.reason, MAX_REASON).to_owned();
    keep_history(root, &mut body)?;
    Ok(match write(root, &body, inputs, sandbox)? {
        Written::Changed => Outcome::Done(said.to_owned()),
        Written::Unchanged => Outcome::Unchanged(said.to_owned()),
    })
}

/// Prepared before and prepared still: why it was formatted then is worth more than that it is there now.
fn keep_history(root: &Root, body: &mut ResourceDisk) -> Result<(), Fault> {
    let before = match Document::<ResourceDisk>::read_if_there(root) {
        Ok(Some(document)) => document.body,
        Ok(None) => return Ok(()),
        // A damaged document has no history.
        Err(fault) if fault.exit == Exit::Data => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let is_same = before.state == DiskState::Prepared
        && body.state == DiskState::Prepared
        && (&before.partition, &before.uuid) == (&body.partition, &body.uuid);
    if is_same {
        body.reason = before.reason;
        body.evidence = before.evidence;
    }
    Ok(())
}

/// A failure is a result, too: the document says so, and the fault goes on.
pub fn write_failure(
    root: &Root,
    mut body: ResourceDisk,
    fault: &anyhow::Error,
    inputs: &Inputs,
    sandbox: &Sandbox,
) {
    let exit = waagent_common::fault::exit_of(fault);
    body.state = if exit == Exit::Unavailable { DiskState::ToolMissing } else { DiskState::Failed };
    cut(&format!("{fault:#}"), MAX_REASON).clone_into(&mut body.reason);
    if let Err(second) = write(root, &body, inputs, sandbox) {
        waagent_common::log::warning(&format!("{second}, ignoring"));
    }
}
