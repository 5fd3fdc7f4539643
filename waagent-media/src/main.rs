//! Reads the provisioning DVD.
//!
//! **Does**: finds the DVD that the platform attached, by its content, and reads `ovf-env.xml` from it in user space
//! (UDF, ISO 9660 with Joliet and Rock Ridge): no mount, no kernel module, but for a FAT medium, which PID 1 mounts. When
//! provisioning has recorded its success, it removes the copy and opens the tray. Asked by provisioning, it looks at the
//! drive again.
//!
//! **Reads**: the drive; `<lib>/provisioned`; `<lib>/provision/status.json` and the flag `<run>/provision/release`;
//! what tells whether cloud-init is at work.
//!
//! **Writes**: `<run>/media/ovf-env.xml` and `CustomData.bin` (0640, group `waagent-media`), `<run>/media/media.json`;
//! the flag `<run>/media/mount` for a FAT medium, which PID 1 mounts at `/mnt/cdrom/secure`.
//!
//! **Exit codes**: 0 read, released, absent or nothing to do; 65 the medium is damaged, or there are two; 66 `--device`
//! isn't there; 73 the copy can't be written; 75 another run is at work; 77 sandbox; 78 configuration.
//!
//! **Security**: who owns this process has the medium's content (password, custom data) and can hand a forged one to
//! waagent-provision, as who owns the medium can. He has no capability, no network, no key, no other document to write.
//!
//! **Where**: `decide` says whether there is anything to read, `find` which drive holds it, `medium/` reads its file system in
//! the child of `confined_child`, `late_medium` waits for one; `publish` writes copies and document, `release` removes them
//! and opens the tray.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use waagent_common::config::{Config, SwitchKey};
use waagent_common::device_nodes::Changes;
use waagent_common::documents::{Inputs, REQUEST};
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::lock::Lock;
use waagent_common::program;
use waagent_common::root::Root;
use waagent_common::sandbox::{Confine, Sandbox};
use waagent_media::args::{Args, Named};
use waagent_media::decide::{MediaDecision, decide};
use waagent_media::find::{self, Missing};
use waagent_media::policy::POLICY;
use waagent_media::release::ReleaseRequest;
use waagent_media::{confined_child, late_medium, publish, release};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let named = args.open()?;
    let (sandbox, config) = program::enter(&POLICY, &args.common)?;
    let root = args.common.root();
    let _one_at_a_time = Lock::take(&root, "media")?;
    let read = || Ok(release::word(&root)?);
    program::until_unmoved("'provision/release'", read, |word| {
        once(args, named.as_ref(), &sandbox, &config, &root, word.as_deref())
    })
}

fn once(
    args: &Args,
    named: Option<&Named>,
    sandbox: &Sandbox,
    config: &Config,
    root: &Root,
    word: Option<&[u8]>,
) -> Result<Outcome> {
    let mut inputs = Inputs::new().digest("configuration", &config.digest_for("waagent-media"));
    let mut again = false;
    match release::request_of(root, word) {
        ReleaseRequest::Release if release::is_due(root)? => {
            let sandbox = POLICY.narrow(&args.common, &find::nodes(), sandbox);
            sandbox.satisfies(config.switch(SwitchKey::SandboxRequired))?;
            let released = release::release(root, named, &sandbox)?;
            // What is asked for meanwhile is another process's work: this one has given up all nodes but those of now.
            if release::word(root)?.as_deref() != word {
                let text = "cannot look for another medium after a release: to be started again for it";
                return Err(Fault::new(Exit::TryAgain, text).into());
            }
            return Ok(released);
        }
        ReleaseRequest::Look { request, is_open } => {
            inputs = inputs.digest(REQUEST, &request);
            again = is_open;
        }
        ReleaseRequest::Release | ReleaseRequest::None => {}
    }
    let wait = match decide(root, config, again)? {
        MediaDecision::Nothing(why) => return Ok(Outcome::Unchanged(why)),
        MediaDecision::CloudInit => return Ok(publish::left_to_cloud_init(root, &inputs, sandbox)?),
        MediaDecision::Disabled => {
            return Ok(publish::absent(root, "Provisioning.Agent=disabled", &inputs, sandbox)?);
        }
        MediaDecision::Wanted { wait } => wait,
    };
    let read = |changes: &Changes| {
        confined_child::look(&POLICY, &args.common, sandbox, named, changes, |sandbox, candidates| {
            sandbox.satisfies(config.switch(SwitchKey::SandboxRequired)).map_err(Missing::Refused)?;
            let found = find::read_one(root, named, candidates)?;
            Ok(publish::found(root, &found, &inputs, sandbox))
        })
    };
    match late_medium::wait_for(read, named.is_some(), wait) {
        Ok(outcome) => Ok(outcome),
        Err(missing) => Ok(publish::missing(root, missing, &inputs, sandbox)?),
    }
}
