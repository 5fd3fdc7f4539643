//! waagent-provision: makes a new VM what its owner asked for.
//!
//! **Does**: reads what the platform wants (`ovf-env.xml`), then sets host name, host keys, sshd, user, keys, password,
//! sudo and custom data, and marks the machine as provisioned. The first pass of a boot (`--early`) sets the host name, which
//! the network tells; the late pass does the rest beside the network, and comes again for what needs a certificate.
//!
//! **Reads**: `/run/waagent/media/{media.json,ovf-env.xml}`, `certs/certificates.json`, `certs/<T>.crt` and `.prv`, the
//! configuration, accounts, sshd's and sudo's files, cloud-init's state.
//!
//! **Writes**: `provision/{status,journal}.json`, `ovf-env.xml` (scrubbed), `CustomData`, `disable_agent`, `provisioned`,
//! links to certificates; `/etc/hostname`, `/etc/ssh`, `/etc/sudoers.d/waagent`, the user's `.ssh`; by system tools the
//! accounts; flags in `/run/waagent/provision`.
//!
//! **Exit codes**: 0 done, waiting, already done or disabled; 65 the file is refused; 69 no medium, or what `--force`
//! needs isn't there; 71, 73, 74 a step on the system failed; 75 another pass is at work; 77 sandbox; 78 configuration.
//!
//! **Security**: runs as root without network. Whoever owns this process can make himself an administrator: that is its
//! job. He can't open connections, mount, load modules, trace, or make namespaces (seccomp), nor write outside of
//! `/etc`, homes and the agent's folders (Landlock). Within these, rights over other users' files are out of the
//! effective set but while a tool runs, so folders of programs with a user of their own are closed by modes; all other
//! programs' folders, root's too, by the unit's `ReadOnlyPaths=` and by SELinux. Files in a home are touched with the
//! user's own rights; no link is followed. What comes over the network is never believed: a certificate counts only if its
//! thumbprint is the one on the medium.
//!
//! **Where**: `decide` says whose job it is, `ovf/` reads the file, `plan` judges and decodes it (user, keys,
//! custom data; `names` are the rules of names); `provision` goes through the steps (`steps/`, `sshd/` among them, in the
//! order of its rows), `pass` records each in the `journal`, `status` tells the others, `encoded_report` the platform.
//! `late` is the pass after the network, `not_provisioning` what is done where it is another's job or done; `home`,
//! `key_file`, `accounts` and `shadow` are how users' files are touched.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use waagent_common::documents::ProvisioningAgent;
use waagent_common::fault::{Exit, Outcome};
use waagent_common::instance::InstanceId;
use waagent_common::notify::notify;
use waagent_common::program;
use waagent_provision::args::Args;
use waagent_provision::decide::Decision;
use waagent_provision::policy::POLICY;
use waagent_provision::provision::provision;
use waagent_provision::run::{Retry, Run};
use waagent_provision::status::Sources;
use waagent_provision::{console, late, not_provisioning, privileges, state_folder, status};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let (sandbox, config) = program::enter(&POLICY, &args.common)?;
    let root = args.common.root();
    privileges::settle(&POLICY, &root)?;
    let _lock = if args.plan { None } else { Some(status::lock(&root)?) };
    let read = || Sources::read(&root, &config);
    if !args.plan {
        late::raise(&root)?;
    }
    let patient_until = Instant::now() + late::PATIENCE;
    let work = |sources: &mut Sources| {
        let outcome = pass(&mut Run {
            args,
            sandbox: &sandbox,
            config: &config,
            root: &root,
            id: InstanceId::of_this_machine(),
            sources,
        });
        if root.is_live() && !args.early && !args.plan {
            late::await_certificates(&root, sources.certificates(), patient_until);
        }
        outcome
    };
    if args.plan {
        return work(&mut read()?);
    }
    let outcome = program::until_unmoved("'media/media.json' or 'certs/certificates.json'", read, work);
    late::settle(&root, &outcome)?;
    if outcome.is_ok() {
        // Where the late pass didn't say so before: PID 1 takes one that ends without for a failure.
        notify("READY=1");
    }
    outcome
}

fn pass(run: &mut Run<'_>) -> Result<Outcome> {
    console::start(not_provisioning::uses_console(run));
    if !run.args.plan {
        state_folder::repair(run.root)?;
    }
    let decision = Decision::make(run.config, run.root, &run.id, run.args.force);
    if decision != Decision::Provision {
        privileges::host_name_is_settled()?;
    }
    match decision {
        Decision::Disabled => not_provisioning::disabled(run),
        Decision::Already => not_provisioning::already(run),
        Decision::Adopt(why) => not_provisioning::adopt(run, &why),
        Decision::CloudInit => not_provisioning::to_cloud_init(run),
        Decision::Provision => provision(run),
        Decision::Refuse(error) => {
            let blank = status::blank(run.root, &run.id, ProvisioningAgent::Waagent);
            run.fail(blank, vec![error], Exit::Config, Retry::None)
        }
    }
}
