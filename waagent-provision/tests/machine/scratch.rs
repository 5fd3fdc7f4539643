//! `--root DIR`: a scratch copy of a system is provisioned, the machine isn't touched.

use std::fs;
use std::path::Path;
use std::process::Command;

use waagent_common::documents::{self, Document, Inputs, ProvisionState, ProvisionStatus};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::world::{Change, KEY, World, difference, keys, medium, ovf, public_key};

fn copy(folder: &Path, file: &str) {
    let target = folder.join(file.trim_start_matches('/'));
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(file, target).unwrap();
}

#[test]
fn provisions_a_scratch_root_and_leaves_the_machine_alone() {
    let Some(world) = World::new() else { return };
    let scratch = tempfile::tempdir_in("/run").unwrap();
    let folder = scratch.path();
    for file in [
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/login.defs",
        "/etc/sudoers",
        "/etc/ssh/sshd_config",
        "/etc/shells",
        "/etc/subuid",
        "/etc/subgid",
        "/etc/waagent.conf",
    ] {
        copy(folder, file);
    }
    for name in [
        "home",
        "etc/skel",
        "etc/sudoers.d",
        "etc/ssh/sshd_config.d",
        "var/lib/waagent/provision",
        "run/waagent/media",
        "run/waagent/provision",
    ] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let root = Root::new(folder);
    let text = ovf(&format!("<UserPassword>not a real one</UserPassword>{}", keys(&public_key(KEY))), "");
    documents::write(&root, &medium(&text), &Inputs::new(), &Sandbox::unconfined()).unwrap();
    fs::write(root.runtime_path("media/ovf-env.xml"), text).unwrap();
    let name = nix::unistd::gethostname().unwrap();
    let before = machine(&world, folder);
    let run =
        || Command::new(env!("CARGO_BIN_EXE_waagent-provision")).arg("--root").arg(folder).output().unwrap();
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status = Document::<ProvisionStatus>::read(&root).unwrap().body;
    assert_eq!(status.state, ProvisionState::Ready);
    assert_eq!(
        fs::read_to_string(folder.join("home/orchard/.ssh/authorized_keys")).unwrap(),
        format!("{KEY}\n")
    );
    assert!(fs::read_to_string(folder.join("etc/shadow")).unwrap().contains("\norchard:$6$"));
    assert_eq!(fs::read_to_string(folder.join("etc/hostname")).unwrap(), "plum-07\n");
    assert!(folder.join("etc/ssh/ssh_host_ed25519_key.pub").exists());
    assert_eq!(nix::unistd::gethostname().unwrap(), name);
    assert_eq!(difference(&before, &machine(&world, folder)), Vec::<String>::new());
    assert!(String::from_utf8_lossy(&run().stderr).contains("nothing to do"));
}

#[test]
fn a_view_of_the_machine_leaves_nothing_there() {
    let Some(world) = World::new() else { return };
    let folder = world.folder().to_path_buf();
    drop(world);
    assert!(!folder.exists(), "{}", folder.display());
}

/// What changed outside of the scratch root.
fn machine(world: &World, folder: &Path) -> Vec<Change> {
    let inside = folder.to_str().unwrap().trim_start_matches('/').to_owned();
    let mut changes = world.changes();
    changes.retain(|(name, ..)| !name.starts_with(&inside));
    changes
}
