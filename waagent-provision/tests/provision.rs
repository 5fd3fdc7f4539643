//! A whole provisioning with the system's own tools.

mod world;

use std::fs;
use std::os::unix::fs::MetadataExt;

use waagent_common::documents::{ProvisionOutcome, ProvisionState};
use world::{KEY, SWAPPED, World, keys, line_of, mode, ovf, public_key, tool};

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
    assert!(world.console().contains("SSH host key ed25519: SHA256:"), "{}", world.console());
}
