//! Which VM, which agent: markers of other machines, cloud-init, switched off.

use std::fs;
use std::path::Path;
use std::process::Command;

use waagent_common::documents::{ProvisionOutcome, ProvisionState, ProvisioningAgent};
use waagent_support::layouts::{LAYOUTS, machine_has_its_own};

use crate::world::{KEY, SWAPPED, World, keys, ovf, public_key, text};

#[test]
fn a_disk_of_another_vm_keeps_its_users_and_host_keys_and_says_so() {
    let Some(world) = World::new() else { return };
    fs::write("/var/lib/waagent/provisioned", "00112233-4455-6677-8899-AABBCCDDEEFF").unwrap();
    let host_key = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let said = world.provision();
    assert!(said.contains("provisioned as another VM") && said.contains("is ignored"), "{said}");
    assert_eq!(fs::read_to_string("/var/lib/waagent/provisioned").unwrap(), SWAPPED);
    assert!(!fs::exists("/home/orchard").unwrap());
    assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key);
    assert_eq!(world.status().state, ProvisionState::Ready);
}

#[test]
fn a_machine_without_identity_is_provisioned_once() {
    let Some(world) = World::new() else { return };
    fs::write("/sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n").unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    assert_eq!(fs::read_to_string("/var/lib/waagent/provisioned").unwrap(), "");
    assert!(world.provision().contains("already completed"));
}

#[test]
fn another_medium_after_provisioning_is_ignored() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    world.attach(
        &ovf(&keys(&public_key(KEY)), "").replace("orchard<", "mallory<").replace("/orchard/", "/mallory/"),
    );
    assert!(world.provision().contains("already completed"));
    assert!(!fs::exists("/home/mallory").unwrap());
}

fn enable_cloud_init() {
    let enabled = LAYOUTS.iter().find(|layout| layout.provisions).unwrap();
    enabled.make(Path::new("/"));
}

/// Which of them provisions, by a plan below a scratch root: where it is this program, it looks for a medium.
#[test]
fn a_cloud_init_that_will_run_provisions_and_no_other() {
    let Some(_world) = World::new() else { return };
    if machine_has_its_own() {
        return;
    }
    for layout in LAYOUTS {
        let root = tempfile::tempdir_in("/run").unwrap();
        layout.make(root.path());
        let plan = |agent: &str| {
            fs::create_dir_all(root.path().join("etc")).unwrap();
            fs::write(root.path().join("etc/waagent.conf"), format!("Provisioning.Agent={agent}\n")).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-provision"));
            let output = command.arg("--plan").arg("--root").arg(root.path()).output().unwrap();
            (output.status.code(), text(&output))
        };
        let ours = (Some(69), "no provisioning media");
        let wanted = if layout.provisions {
            [(Some(0), "would wait for cloud-init"), (Some(78), "cloud-init is enabled")]
        } else {
            [ours, ours]
        };
        for (agent, (code, word)) in ["auto", "waagent"].iter().zip(wanted) {
            let said = plan(agent);
            assert!(said.0 == code && said.1.contains(word), "{}, {agent}: {said:?}", layout.name);
        }
    }
}

#[test]
fn cloud_init_is_waited_for_and_nothing_of_the_system_is_changed() {
    let Some(world) = World::new() else { return };
    enable_cloud_init();
    let host_key = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    world.provision();
    let status = world.status();
    assert_eq!((status.outcome, status.agent), (ProvisionOutcome::Waiting, ProvisioningAgent::CloudInit));
    assert_eq!(status.waits_for, ["cloud-init"]);
    fs::write("/run/cloud-init/result.json", "{}").unwrap();
    let copy = ovf("", "<wa:ProvisionGuestAgent>false</wa:ProvisionGuestAgent>");
    fs::write("/var/lib/waagent/ovf-env.xml", copy).unwrap();
    world.provision();
    let status = world.status();
    assert_eq!((status.state, status.outcome), (ProvisionState::Ready, ProvisionOutcome::Done));
    assert_eq!(status.hostname.as_deref(), Some("plum-07"));
    assert!(fs::exists("/var/lib/waagent/disable_agent").unwrap());
    assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key);
    assert!(!fs::exists("/home/orchard").unwrap());
}

#[test]
fn two_that_would_provision_at_once_are_refused_with_the_remedy() {
    let Some(world) = World::new() else { return };
    world.configure("Provisioning.Agent=waagent\n");
    enable_cloud_init();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let said = world.refuse(78);
    assert!(said.contains("touch /etc/cloud/cloud-init.disabled"), "{said}");
    fs::create_dir_all("/etc/cloud").unwrap();
    fs::write("/etc/cloud/cloud-init.disabled", "").unwrap();
    world.provision();
}

#[test]
fn switched_off_it_only_marks_and_tells() {
    let Some(world) = World::new() else { return };
    world.configure("Provisioning.Agent=disabled\n");
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    assert!(world.provision().contains("Provisioning is disabled, skipping."));
    assert_eq!(world.status().outcome, ProvisionOutcome::Disabled);
    assert!(!fs::exists("/home/orchard").unwrap());
    assert!(world.provision().contains("nothing to do"));
}
