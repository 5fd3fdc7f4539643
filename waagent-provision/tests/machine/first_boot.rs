//! A whole provisioning with the system's own tools.

use std::fs;
use std::os::unix::fs::MetadataExt;

use waagent_common::documents::{ProvisionOutcome, ProvisionReason, ProvisionState};

use crate::world::{Change, KEY, SWAPPED, World, difference, keys, line_of, mode, ovf, public_key, tool};

#[test]
fn makes_a_user_who_can_log_in_then_marks_and_tells() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&keys(&public_key(KEY)), "<wa:ProvisionGuestAgent>true</wa:ProvisionGuestAgent>"));
    let old_key = fs::read("/etc/ssh/ssh_host_ed25519_key.pub").unwrap();
    let said = world.provision();
    assert!(said.contains("Provisioning complete"), "{said}");

    let status = world.status();
    assert_eq!((status.state, status.outcome), (ProvisionState::Ready, ProvisionOutcome::Done));
    assert_eq!(status.vm_id, SWAPPED.to_lowercase());
    assert_eq!(status.host_keys.len(), 3);
    let uid = status.user.unwrap().uid;
    assert_eq!(fs::read_to_string("/var/lib/waagent/provisioned").unwrap(), SWAPPED);

    assert_eq!(fs::read_to_string("/home/orchard/.ssh/authorized_keys").unwrap(), format!("{KEY}\n"));
    for (path, wanted) in [("/home/orchard/.ssh", 0o700), ("/home/orchard/.ssh/authorized_keys", 0o600)] {
        assert_eq!((mode(path), fs::metadata(path).unwrap().uid()), (wanted, uid), "{path}");
    }
    assert_eq!(line_of("/etc/shadow", "orchard:").split(':').nth(1), Some("*"));
    assert_eq!(fs::read_to_string("/etc/sudoers.d/waagent").unwrap(), "orchard ALL=(ALL) NOPASSWD: ALL\n");
    assert_eq!(mode("/etc/sudoers.d/waagent"), 0o440);
    tool("/usr/sbin/visudo", &["-c"]);
    assert!(tool("/usr/bin/sudo", &["-l", "-U", "orchard"]).contains("NOPASSWD: ALL"));
    assert_eq!(fs::read_to_string("/etc/hostname").unwrap(), "plum-07\n");
    assert_eq!(nix::unistd::gethostname().unwrap(), "plum-07");

    assert_ne!(fs::read("/etc/ssh/ssh_host_ed25519_key.pub").unwrap(), old_key);
    assert!(
        !fs::exists("/etc/ssh/ssh_host_dsa_key").unwrap()
            && fs::exists("/etc/ssh/ssh_host_rsa_key-cert.pub").unwrap()
    );
    assert!(!fs::exists("/etc/ssh/.waagent-new").unwrap());
    fs::create_dir_all("/run/sshd").unwrap();
    let effective = tool("/usr/sbin/sshd", &["-T", "-C", "user=orchard,host=x,addr=127.0.0.1"]);
    assert!(effective.contains("\npasswordauthentication no\n"), "{effective}");
    assert!(fs::exists("/run/waagent/provision/release").unwrap());
    assert!(!fs::exists("/run/waagent/provision/late").unwrap(), "nothing is left to a late pass");
    assert!(world.console().contains("SSH host key ed25519: SHA256:"), "{}", world.console());
}

#[test]
fn the_early_pass_sets_the_host_name_alone_and_the_late_pass_does_the_rest() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let keys = || fs::read("/etc/ssh/ssh_host_ed25519_key.pub").unwrap();
    let old_key = keys();
    for _again in 0..2 {
        let done = world.run(&["--early"]);
        assert!(done.status.success(), "{done:?}");
        let status = world.status();
        assert_eq!((status.state, status.outcome), (ProvisionState::Provisioning, ProvisionOutcome::Waiting));
        assert_eq!(status.waits_for, ["the late pass"]);
        assert_eq!(nix::unistd::gethostname().unwrap(), "plum-07");
        assert!(fs::exists("/run/waagent/provision/late").unwrap(), "nothing starts the late pass");
        assert!(!fs::exists("/home/orchard").unwrap() && keys() == old_key);
        assert!(!fs::exists("/run/waagent/provision/release").unwrap(), "the medium is still needed");
    }
    assert!(world.provision().contains("Provisioning complete"));
    assert!(fs::exists("/home/orchard/.ssh/authorized_keys").unwrap() && keys() != old_key);
    assert!(!fs::exists("/run/waagent/provision/late").unwrap());
    assert_eq!(world.run(&["--early"]).status.code(), Some(0));
    assert!(!fs::exists("/run/waagent/provision/late").unwrap(), "nothing is left of a provisioned machine");
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&format!("<UserPassword>not a real one</UserPassword>{}", keys(&public_key(KEY))), ""));
    world.provision();
    let before = world.changes();
    let said = world.provision();
    assert!(said.contains("nothing to do: Provisioning already completed, skipping."), "{said}");
    let changed = difference(&without_release(before), &without_release(world.changes()));
    assert_eq!(changed, Vec::<String>::new());
}

/// The flag is made anew while the medium's copy is there, and says the same.
fn without_release(mut changes: Vec<Change>) -> Vec<Change> {
    changes.retain(|(name, ..)| name != "run/waagent/provision/release");
    changes
}

#[test]
fn forced_it_looks_at_everything_and_keeps_the_host_keys() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    let host_key = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    fs::remove_file("/etc/sudoers.d/waagent").unwrap();
    let output = world.run(&["--force"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string("/etc/sudoers.d/waagent").unwrap(), "orchard ALL=(ALL) NOPASSWD: ALL\n");
    assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key);
}

#[test]
fn a_plan_names_the_steps_and_changes_nothing() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&format!("<UserPassword>canary-plan</UserPassword>{}", keys(&public_key(KEY))), ""));
    let before = world.changes();
    let output = world.run(&["--plan"]);
    let said = crate::world::text(&output);
    assert!(output.status.success() && said.contains("make 'orchard', home '/home/orchard'"), "{said}");
    assert!(said.contains("SHA256:") && !said.contains("canary-plan"), "{said}");
    assert_eq!(difference(&before, &world.changes()), Vec::<String>::new());
}

#[test]
fn custom_data_is_saved_as_bytes_and_run_only_if_configured() {
    let Some(world) = World::new() else { return };
    let inner = format!("<CustomData>\n IyEvYmluL3NoCgD/ \n</CustomData>{}", keys(&public_key(KEY)));
    world.attach(&ovf(&inner, ""));
    world.provision();
    assert_eq!(fs::read("/var/lib/waagent/CustomData").unwrap(), b"#!/bin/sh\n\x00\xff");
    assert_eq!(mode("/var/lib/waagent/CustomData"), 0o600);
    assert!(!fs::exists("/run/waagent/provision/customdata").unwrap());
    assert!(!fs::exists("/var/lib/waagent/disable_agent").unwrap());
}

#[test]
fn custom_data_that_is_to_be_run_raises_the_flag_once() {
    let Some(world) = World::new() else { return };
    world.configure("Provisioning.ExecuteCustomData=y\n");
    let inner = format!("<CustomData>IyEvYmluL3NoCg==</CustomData>{}", keys(&public_key(KEY)));
    world.attach(&ovf(&inner, "<wa:ProvisionGuestAgent>False</wa:ProvisionGuestAgent>"));
    world.provision();
    let flag = "/run/waagent/provision/customdata";
    assert!(fs::exists(flag).unwrap());
    assert_eq!(mode("/var/lib/waagent/disable_agent"), 0o600);
    fs::remove_file(flag).unwrap();
    fs::write("/var/lib/waagent/ext/results/custom-data.result.json", "{}").unwrap();
    world.provision();
    assert!(!fs::exists(flag).unwrap());
}

#[test]
fn without_a_medium_it_fails_for_a_reason_that_a_person_understands() {
    let Some(world) = World::new() else { return };
    world.no_medium();
    // The early pass takes nothing of what follows: a whole pass has its second try.
    assert_eq!(world.run(&["--early"]).status.code(), Some(69));
    assert_eq!(world.status().outcome, ProvisionOutcome::Waiting);
    let said = world.refuse(69);
    assert!(said.contains("no provisioning media") && said.contains("DVD"), "{said}");
    let status = world.status();
    assert_eq!((status.state, status.outcome), (ProvisionState::Provisioning, ProvisionOutcome::Waiting));
    assert_eq!(status.waits_for, ["the late pass"]);
    assert!(fs::exists("/run/waagent/provision/late").unwrap(), "nothing starts the late pass");
    assert_eq!(status.errors[0].reason, ProvisionReason::NoMedia);
    // The second whole pass has the last word, until something comes.
    world.refuse(69);
    let status = world.status();
    assert_eq!(status.state, ProvisionState::Failed);
    assert!(
        status.description.starts_with("result=error|reason=no provisioning media|"),
        "{}",
        status.description
    );
    assert!(!fs::exists("/var/lib/waagent/provisioned").unwrap() && !fs::exists("/home/orchard").unwrap());
    assert!(fs::exists("/run/waagent/provision/late").unwrap(), "a late medium starts nothing");
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    assert!(world.provision().contains("Provisioning complete"));
    assert!(!fs::exists("/run/waagent/provision/late").unwrap());
}

#[test]
fn a_library_folder_that_cloud_init_closed_is_opened_for_our_users() {
    use std::os::unix::fs::PermissionsExt;
    let Some(world) = World::new() else { return };
    fs::set_permissions("/var/lib/waagent", fs::Permissions::from_mode(0o700)).unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    assert_eq!(mode("/var/lib/waagent"), 0o710);
}
