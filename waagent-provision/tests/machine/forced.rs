//! `--force` on a VM that is provisioned: it has what it needs, or it changes and tells nothing.

use std::fs;
use std::time::{Duration, Instant};

use waagent_common::digest::sha256;
use waagent_common::documents::{
    self, Inputs, LOOK_AGAIN, MEDIA_FLAG, ProvisionOutcome, ProvisionState, REQUEST,
};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::world::{Change, KEY, World, difference, keys, medium, ovf, public_key, text, tool};

fn file() -> String {
    ovf(&format!("<UserPassword>not a real one</UserPassword>{}", keys(&public_key(KEY))), "")
}

/// A machine as it is after its first boot.
fn provisioned() -> Option<World> {
    let world = World::new()?;
    world.attach(&file());
    world.provision();
    world.release();
    Some(world)
}

/// What changed but for the question to waagent-media.
fn changes(world: &World) -> Vec<Change> {
    let mut changes = world.changes();
    changes.retain(|(name, ..)| !name.starts_with("run/waagent/"));
    changes
}

/// Answers the question as waagent-media does, in the world of the caller.
fn answer(world: &World) {
    let flag = world.root.runtime_path(MEDIA_FLAG);
    let deadline = Instant::now() + Duration::from_secs(10);
    let asked = loop {
        match fs::read_to_string(&flag) {
            Ok(text) if text.starts_with(LOOK_AGAIN) => break text,
            _ => assert!(Instant::now() < deadline, "nobody asked"),
        }
        std::thread::yield_now();
    };
    world.attach(&file());
    let inputs = Inputs::new().digest(REQUEST, &sha256(asked.as_bytes()));
    documents::write(&world.root, &medium(&file()), &inputs, &Sandbox::unconfined()).unwrap();
}

fn is_ready(world: &World) -> bool {
    world.status().state == ProvisionState::Ready
}

#[test]
fn an_attached_medium_is_read_again() {
    let Some(world) = provisioned() else { return };
    // The copy of ours alone would do for the rule, but not for a password.
    tool("/usr/sbin/usermod", &["-L", "orchard"]);
    tool("/usr/sbin/usermod", &["-p", "!", "orchard"]);
    let child = world.command(&["--force"]).spawn().unwrap();
    answer(&world);
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(is_ready(&world));
    let line = crate::world::line_of("/etc/shadow", "orchard:");
    assert!(line.starts_with("orchard:$6$"), "{line}");
    assert_eq!(
        fs::read_to_string(world.root.runtime_path(MEDIA_FLAG)).unwrap(),
        "provisioning is finished\n"
    );
}

#[test]
fn without_the_password_that_it_would_set_it_refuses_and_nothing_is_changed_or_told() {
    let Some(world) = provisioned() else { return };
    tool("/usr/sbin/usermod", &["-p", "!", "orchard"]);
    fs::remove_file("/etc/sudoers.d/waagent").unwrap();
    let before = changes(&world);
    let output = world.run(&["--force"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("the password is on the provisioning DVD alone"), "{said}");
    assert_eq!(difference(&before, &changes(&world)), Vec::<String>::new());
}

#[test]
fn without_any_copy_it_refuses_and_the_platform_hears_nothing() {
    let Some(world) = provisioned() else { return };
    fs::remove_file("/var/lib/waagent/ovf-env.xml").unwrap();
    world.no_medium();
    let before = changes(&world);
    let output = world.run(&["--force"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert_eq!(difference(&before, &changes(&world)), Vec::<String>::new());
    assert!(is_ready(&world));
}

#[test]
fn a_certificate_that_is_gone_is_not_waited_for() {
    let Some(world) = World::new() else { return };
    let thumbprint = "00112233445566778899AABBCCDDEEFF00112233";
    let key = format!(
        "<PublicKey><Fingerprint>{thumbprint}</Fingerprint><Path>/home/orchard/.ssh/authorized_keys</Path></PublicKey>"
    );
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    world.attach(&ovf(&keys(&format!("{}{key}", public_key(KEY))), ""));
    let before = changes(&world);
    let output = world.run(&["--force"]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(text(&output).contains(&format!("certificate {thumbprint} isn't there")), "{output:?}");
    assert_eq!(difference(&before, &changes(&world)), Vec::<String>::new());
}

#[test]
fn a_step_that_fails_is_told_to_who_asked_and_not_to_the_platform() {
    let Some(world) = provisioned() else { return };
    world.attach(&file());
    fs::write("/etc/sudoers.d/waagent", "this is no rule\n").unwrap();
    let output = world.run(&["--force"]);
    assert_eq!(output.status.code(), Some(71), "{output:?}");
    assert!(text(&output).contains("failure to write sudoers"));
    assert!(is_ready(&world));
}

#[test]
fn a_file_that_is_refused_is_told_to_who_asked_and_not_to_the_platform() {
    let Some(world) = provisioned() else { return };
    world.attach(&file().replace("plum-07", "a_b"));
    assert_eq!(world.run(&["--force"]).status.code(), Some(65));
    assert!(is_ready(&world));
}

#[test]
fn where_cloud_init_provisions_there_is_nothing_to_force() {
    let Some(world) = provisioned() else { return };
    world.configure("Provisioning.Agent=cloud-init\n");
    let before = changes(&world);
    let output = world.run(&["--force"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert_eq!(difference(&before, &changes(&world)), Vec::<String>::new());
}

#[test]
fn a_plan_says_what_the_run_does() {
    let Some(world) = provisioned() else { return };
    let plan = String::from_utf8(world.run(&["--plan", "--force"]).stdout).unwrap();
    for line in [
        "which is provisioned",
        "first have waagent-media look at the drive",
        "host-keys        stay as they are",
        "password         is set",
        "root-password    stays",
        "then release the medium",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    assert!(!plan.contains("write the marker"), "{plan}");
    let host_key = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    world.attach(&file());
    assert!(world.run(&["--force"]).status.success());
    assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key);
    // Without keys there is nothing to keep, and both say so.
    for kind in ["rsa", "ecdsa", "ed25519"] {
        fs::remove_file(format!("/etc/ssh/ssh_host_{kind}_key")).unwrap();
    }
    let plan = String::from_utf8(world.run(&["--plan", "--force"]).stdout).unwrap();
    assert!(plan.contains("host-keys        new ones"), "{plan}");
    assert!(world.run(&["--force"]).status.success());
    assert_ne!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key);
}

#[test]
fn a_marker_that_was_removed_and_a_medium_that_is_there_are_provisioned_again_without_a_failure() {
    let Some(world) = provisioned() else { return };
    fs::remove_file(Root::new(std::path::Path::new("/")).state_path("provisioned")).unwrap();
    let child = world.command(&[]).spawn().unwrap();
    answer(&world);
    assert!(child.wait_with_output().unwrap().status.success());
    let status = world.status();
    assert_eq!((status.state, status.outcome), (ProvisionState::Ready, ProvisionOutcome::Done));
}

#[test]
fn what_fails_in_the_first_pass_is_told_where_the_late_one_fails_too() {
    let Some(world) = World::new() else { return };
    world.attach(&file());
    fs::write("/etc/sudoers.d/waagent", "this is no rule\n").unwrap();
    world.refuse(71);
    assert_eq!(world.status().state, ProvisionState::Provisioning);
    assert!(world.status().errors.iter().any(|error| error.step == "sudoers"));
    world.refuse(71);
    assert_eq!(world.status().state, ProvisionState::Failed);
}

#[test]
fn what_fails_in_the_first_pass_and_heals_was_never_told() {
    let Some(world) = World::new() else { return };
    world.attach(&file());
    fs::write("/etc/sudoers.d/waagent", "this is no rule\n").unwrap();
    world.refuse(71);
    assert_eq!(world.status().state, ProvisionState::Provisioning);
    fs::remove_file("/etc/sudoers.d/waagent").unwrap();
    world.provision();
    let status = world.status();
    assert_eq!((status.state, status.errors.len()), (ProvisionState::Ready, 0));
}

#[test]
fn what_the_file_itself_says_wrong_is_told_at_once() {
    let Some(world) = World::new() else { return };
    world.attach(&file().replace("plum-07", "a_b"));
    world.refuse(65);
    assert_eq!(world.status().state, ProvisionState::Failed);
}
