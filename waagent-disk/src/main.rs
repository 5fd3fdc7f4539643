//! Prepares the temporary disk that the platform attaches.
//!
//! **Does**: finds the disk by its vmbus channel, decides by what is on it, formats it only if it holds nothing, and
//! asks PID 1 to mount it; after the mount writes the data-loss warning and makes the swap file. Sets the timeouts of
//! SCSI disks. `media` executes `waagent-media`.
//!
//! **Reads**: sysfs; the disk; `/etc/fstab`, configuration of cloud-init and azure-vm-utils, to leave alone what is theirs.
//!
//! **Writes**: the disk; `<lib>/disk/resource.json`, `<lib>/disk/journal.json`; the flags `<run>/disk/mount`, `swap`,
//! `scsi-timeout`; on the mounted disk `DATALOSS_WARNING_README.txt` and `swapfile`.
//!
//! **Exit codes**: 0 done, left alone, or there is no such disk; 64 usage; 66 `--device` isn't there; 69 mkfs or file
//! system missing; 71 the kernel refused; 73 a document can't be written; 74 the disk can't be read or written; 75
//! another run is at work, or `--mounted` before the mount; 77 sandbox; 78 configuration.
//!
//! **Security**: who owns this process can write raw disks, and so everything: it parses superblocks,
//! partition tables and NTFS in a child process that can open only the one disk: no other disk, no network, no DVD, no
//! document of another program.
//!
//! **Where** (`resource/`): `wanted` is what the configuration asks for (size of swap, mount
//! point); `find` and `owner` say which disk and whose it is, `facts` gathers, `decide` is the table of what
//! may be done, `act` carries it out: `prepare` writes a blank disk, `check` repairs, `finish` follows the mount (`swap`,
//! `warning_file`, `label`). `table`, `gpt`, `superblock`, `ntfs` read what is on a disk, in the child of `attempts`;
//! `report` is the document, `journal` what was begun, `flags` what PID 1 is asked for, `scsi` the timeouts.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use waagent_common::config::SwitchKey;
use waagent_common::documents::{DiskState, Inputs, ResourceDisk};
use waagent_common::fault::Outcome;
use waagent_common::lock::Lock;
use waagent_common::program;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_disk::args::{Args, Resource};
use waagent_disk::policy::POLICY;
use waagent_disk::resource::act::{Work, lower_flags, raise_flag};
use waagent_disk::resource::attempt::Attempt;
use waagent_disk::resource::attempts::attempts;
use waagent_disk::resource::decide::decide;
use waagent_disk::resource::facts::Facts;
use waagent_disk::resource::find::Target;
use waagent_disk::resource::journal::Journal;
use waagent_disk::resource::wanted::Wanted;
use waagent_disk::resource::{find, owner, report};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let resource = args.resource()?;
    let named = resource.open()?;
    let (sandbox, config) = program::enter(&POLICY, &args.common)?;
    let root = args.common.root();
    let _one_at_a_time = Lock::take(&root, "disk")?;
    let inputs = Inputs::new().digest("configuration", &config.digest_for("waagent-disk"));
    let mut body = report::empty();
    if !resource.plan {
        lower_flags(&root)?;
        report::set_timeouts(&root, &config, &mut body)?;
    }
    if let Some(owner) = owner::other(&root, &config) {
        let said = format!("the resource disk is left to others: {owner}");
        if resource.plan {
            return Ok(Outcome::Planned(said));
        }
        (body.state, body.managed_by) = (DiskState::ManagedBy, Some(owner));
        body.reason.clone_from(&said);
        return Ok(report::write_and_say(&root, body, &said, &inputs, &sandbox)?);
    }
    let wanted = Wanted::from(&config, &root)?;
    let target = match named {
        Some((node, file)) => Ok(Some(Target::Named(node, file))),
        None => find::locate(),
    };
    let done = match &target {
        Err(fault) => Err(fault.clone().into()),
        Ok(None) => absent(&root, resource, body.clone(), &inputs, &sandbox),
        Ok(Some(target)) => attempts(&POLICY, &args.common, &sandbox, target, |attempt, sandbox| {
            sandbox.satisfies(config.switch(SwitchKey::SandboxRequired))?;
            let work = Work { root: &root, sandbox, wanted: &wanted, is_mounted: resource.mounted };
            told(&work, resource, target, attempt, &mut body.clone(), &inputs)
        }),
    };
    if let Err(fault) = &done
        && !resource.plan
    {
        report::write_failure(&root, body, fault, &inputs, &sandbox);
    }
    done
}

fn absent(
    root: &Root,
    resource: &Resource,
    mut body: ResourceDisk,
    inputs: &Inputs,
    sandbox: &Sandbox,
) -> Result<Outcome> {
    let said = "there is no resource disk on this size of machine";
    if resource.plan {
        return Ok(Outcome::Planned(said.to_owned()));
    }
    said.clone_into(&mut body.reason);
    Journal::remove(root)?;
    Ok(report::write_and_say(root, body, said, inputs, sandbox)?)
}

/// Does the work, and writes what came of it.
fn told(
    work: &Work<'_>,
    resource: &Resource,
    target: &Target,
    attempt: Attempt,
    body: &mut ResourceDisk,
    inputs: &Inputs,
) -> Result<Outcome> {
    match steps(work, resource, target, attempt, body) {
        Ok(Outcome::Done(said)) => {
            let said = report::write_and_say(work.root, body.clone(), &said, inputs, work.sandbox)?;
            raise_flag(work.root, body)?;
            Ok(said)
        }
        Ok(other) => Ok(other),
        Err(fault) => {
            if !resource.plan {
                report::write_failure(work.root, body.clone(), &fault, inputs, work.sandbox);
            }
            Err(fault)
        }
    }
}

/// Disk, facts, decision, work.
fn steps(
    work: &Work<'_>,
    resource: &Resource,
    target: &Target,
    attempt: Attempt,
    body: &mut ResourceDisk,
) -> Result<Outcome> {
    let mut disk = target.open()?;
    disk.attempt = attempt;
    body.device = Some(disk.describe());
    let facts = Facts::gather(&disk, Journal::read(work.root)?)?;
    body.evidence = report::evidence(&disk, &facts);
    body.uuid = facts.uuid();
    let decision = decide(&facts, work.wanted);
    if resource.plan {
        return Ok(Outcome::Planned(report::plan(&disk, &decision, &body.evidence)));
    }
    work.act(&disk, &decision, body).map(Outcome::Done)
}
