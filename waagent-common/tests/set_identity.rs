//! A child takes on another identity while the threads of its parent come and go.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use caps::{Capability, CapsHashSet};
use waagent_common::sys::spawn::{Identity, set_identity};

const ROUNDS: usize = 300;

fn nobody() -> Identity {
    Identity {
        uid: 65534,
        gid: 65533,
        groups: vec![65532, 65531],
        capabilities: Some(CapsHashSet::from([Capability::CAP_NET_ADMIN, Capability::CAP_BPF])),
        umask: 0o027,
        no_new_privs: true,
        session: true,
    }
}

#[test]
fn a_child_is_what_it_is_dressed_as() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut command = Command::new("/bin/cat");
    command.arg("/proc/self/status");
    set_identity(&mut command, nobody());
    let output = command.output().unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    // CAP_NET_ADMIN is 12, CAP_BPF 39 (linux/capability.h).
    let both = "0000008000001000";
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65533\t65533\t65533\t65533",
        "Groups:\t65531 65532",
        "Umask:\t0027",
        "NoNewPrivs:\t1",
        &format!("CapInh:\t{both}"),
        &format!("CapPrm:\t{both}"),
        &format!("CapEff:\t{both}"),
        &format!("CapBnd:\t{both}"),
        &format!("CapAmb:\t{both}"),
    ] {
        assert!(status.contains(line), "'{line}' isn't in {status}");
    }
}

#[test]
fn a_child_is_dressed_while_the_threads_of_its_parent_come_and_go() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    thread::spawn(|| vec![0_u8; 4096].len()).join().unwrap();
                }
            });
        }
        for round in 0..ROUNDS {
            let mut command = Command::new("/bin/true");
            set_identity(&mut command, nobody());
            let status = command.status();
            if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
                is_over.store(true, Ordering::Relaxed);
                panic!(
                    "round {round}: {status:?}, signal {:?}",
                    status.as_ref().ok().and_then(ExitStatusExt::signal)
                );
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
