//! Killed in mid-work, at each step: the next pass reaches the same end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_WRLCK, SIGKILL};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use waagent_common::documents::{self, Document, Inputs, JournalState, ProvisionJournal};
use waagent_common::sandbox::Sandbox;

use crate::world::{KEY, World, keys, line_of, mode, ovf, public_key, tool};

/// When a step is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Its name has just been written to the journal.
    AsItBegins,
    /// A tool is at work for it, or it has made so many system calls.
    At(u32),
}

/// Kills the pass at this moment of this step. It is stopped at each of its system calls, so the moment can't be missed
/// however busy the machine is; a step that was begun by an earlier pass would not be noticed.
fn kill_at(world: &World, step: &str, moment: Moment) {
    let mut child = world.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(pid).unwrap();
    let mut calls = None;
    loop {
        let status = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
        let signal = match status {
            WaitStatus::Stopped(_, Signal::SIGTRAP) | WaitStatus::PtraceEvent(..) => None,
            // Its own: a tool of its has ended.
            WaitStatus::Stopped(_, signal) => Some(signal),
            other => panic!("it ended before step '{step}', {moment:?}: {other:?}"),
        };
        calls = calls.map(|calls: u32| calls + 1).or_else(|| is_at(world, step).then_some(0));
        if calls.is_some_and(|calls| moment == Moment::AsItBegins || is_inside(pid, step, moment, calls)) {
            break;
        }
        ptrace::syscall(pid, signal).unwrap();
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "step '{step}', {moment:?}");
    wait_for_tools();
}

/// Does the journal say that this step is at work?
fn is_at(world: &World, step: &str) -> bool {
    let Ok(text) = fs::read_to_string(world.root.state_path("provision/journal.json")) else { return false };
    text.contains(&format!("\"name\": \"{step}\""))
}

/// Keys are made beside other steps.
fn is_inside(pid: Pid, step: &str, moment: Moment, calls: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let name = |child: &str| fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
    let is_of_this_step = |child: &str| step == "host-keys" || name(child).trim() != "ssh-keygen";
    children.split_whitespace().any(is_of_this_step) || moment == Moment::At(calls)
}

/// A tool that was at work is ours now, and ends by itself.
fn wait_for_tools() {
    while matches!(waitpid(Pid::from_raw(-1), None), Ok(status) if status != WaitStatus::StillAlive) {}
}

fn check_the_end(world: &World) {
    world.provision();
    let status = world.status();
    let uid = status.user.clone().unwrap().uid;
    assert_eq!(fs::read_to_string("/home/orchard/.ssh/authorized_keys").unwrap(), format!("{KEY}\n"));
    assert_eq!(fs::read_to_string("/etc/sudoers.d/waagent").unwrap(), "orchard ALL=(ALL) ALL\n");
    assert_eq!(fs::read_to_string("/etc/hostname").unwrap(), "plum-07\n");
    for file in ["/home/orchard", "/home/orchard/.ssh", "/home/orchard/.bashrc"] {
        assert_eq!(fs::metadata(file).unwrap().uid(), uid, "{file}");
    }
    assert_eq!(fs::read("/home/orchard/.bashrc").unwrap(), fs::read("/etc/skel/.bashrc").unwrap());
    assert!(line_of("/etc/shadow", "orchard:").starts_with("orchard:$6$"));
    assert_eq!(mode("/var/lib/waagent/CustomData"), 0o600);
    assert!(status.user.unwrap().created && status.host_keys.len() == 3);
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let private = format!("/etc/ssh/ssh_host_{kind}_key");
        let derived = tool("/usr/bin/ssh-keygen", &["-y", "-f", &private]);
        let public = fs::read_to_string(format!("{private}.pub")).unwrap();
        assert_eq!(derived.split(' ').nth(1).map(str::trim), public.split(' ').nth(1).map(str::trim));
    }
    fs::create_dir_all("/run/sshd").unwrap();
    tool("/usr/sbin/sshd", &["-t"]);
    tool("/usr/sbin/visudo", &["-c"]);
    let leftovers = world.changes().into_iter().map(|(name, ..)| name).filter(|name| {
        [".tmp", ".waagent-new", ".waagent.new", ".waagent", ".lock"]
            .iter()
            .any(|end| name.ends_with(end) && name.contains("/."))
            && !name.ends_with(".pwd.lock")
    });
    assert_eq!(leftovers.collect::<Vec<_>>(), Vec::<String>::new());
}

/// As it begins, then at these moments of its work, each in a view of its own.
fn killed_at(step: &'static str, calls: &[u32]) {
    let moments = calls.iter().map(|calls| Moment::At(*calls));
    for moment in std::iter::once(Moment::AsItBegins).chain(moments) {
        let in_its_view = std::thread::spawn(move || {
            let Some(world) = World::new() else { return };
            nix::sys::prctl::set_child_subreaper(true).unwrap();
            let inner =
                "<UserPassword>not a real one</UserPassword><CustomData>IyEvYmluL3NoCg==</CustomData>";
            world.attach(&ovf(&format!("{inner}{}", keys(&public_key(KEY))), ""));
            kill_at(&world, step, moment);
            check_the_end(&world);
        });
        in_its_view.join().unwrap();
    }
}

#[test]
fn killed_while_host_keys_are_made() {
    killed_at("host-keys", &[u32::MAX]);
}

#[test]
fn killed_while_sshd_is_configured() {
    killed_at("sshd", &[u32::MAX]);
}

#[test]
fn killed_while_the_user_is_made() {
    killed_at("user", &[u32::MAX]);
}

/// No tool is called for it: around the folder, the temporary file and its renaming.
#[test]
fn killed_while_keys_are_written() {
    killed_at("authorized-keys", &[20, 40, 60]);
}

#[test]
fn killed_while_the_password_is_set() {
    killed_at("password", &[u32::MAX]);
}

#[test]
fn killed_while_the_sudo_rule_is_checked() {
    killed_at("sudoers", &[u32::MAX]);
}

/// The last step: the status and the marker follow.
#[test]
fn killed_before_the_marker() {
    killed_at("labels", &[8, 40]);
}

#[test]
fn a_home_that_useradd_was_killed_over_is_finished() {
    let Some(world) = World::new() else { return };
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let inner = "<UserPassword>not a real one</UserPassword><CustomData>IyEvYmluL3NoCg==</CustomData>";
    world.attach(&ovf(&format!("{inner}{}", keys(&public_key(KEY))), ""));
    kill_at_the_user(&world);
    // As if it had been killed after the account, with half a skeleton.
    let mut journal = Document::<ProvisionJournal>::read(&world.root).unwrap();
    journal.body.created_user = Some("orchard".to_owned());
    for row in journal.body.steps.iter_mut().filter(|row| row.name == "user") {
        row.state = JournalState::Started;
    }
    documents::write(&world.root, &journal.body, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    if line_of("/etc/passwd", "orchard:").is_empty() {
        tool("/usr/sbin/useradd", &["-M", "orchard"]);
    }
    let _absent = fs::remove_dir_all("/home/orchard");
    fs::create_dir("/home/orchard").unwrap();
    fs::write("/home/orchard/.bashrc", "# ~/.ba").unwrap();
    check_the_end(&world);
}

#[test]
fn a_reboot_without_the_medium_goes_on_from_the_scrubbed_copy() {
    let Some(world) = World::new() else { return };
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let inner = "<UserPassword>not a real one</UserPassword><CustomData>IyEvYmluL3NoCg==</CustomData>";
    world.attach(&ovf(&format!("{inner}{}", keys(&public_key(KEY))), ""));
    kill_at(&world, "sudoers", Moment::At(u32::MAX));
    world.reboot();
    check_the_end(&world);
}

#[test]
fn a_reboot_without_the_medium_before_the_password_is_set_says_what_is_missing() {
    let Some(world) = World::new() else { return };
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    world.attach(&ovf("<UserPassword>not a real one</UserPassword>", ""));
    kill_at_the_user(&world);
    world.reboot();
    let said = world.refuse(65);
    assert!(
        said.contains("no provisioning media") && said.contains("password is on the provisioning DVD alone"),
        "{said}"
    );
}

/// Capabilities by their bits (capability.h).
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_ADMIN: u64 = 1 << 21;

/// Held as useradd takes it (lckpwdf(3)): the step "user" waits for it, so that there is time to look.
fn hold_accounts() -> fs::File {
    let lock =
        fs::OpenOptions::new().create(true).truncate(false).write(true).open("/etc/.pwd.lock").unwrap();
    let l_type = i16::try_from(F_WRLCK).unwrap();
    let whole = nix::libc::flock { l_type, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&lock, FcntlArg::F_SETLK(&whole)).unwrap();
    lock
}

/// Starts a pass, and leaves it where it makes the user.
fn begin_the_user(world: &World) -> Child {
    let mut child = world.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_at_work = || {
        let journal = Document::<ProvisionJournal>::read_if_there(&world.root).ok().flatten();
        journal.is_some_and(|journal| journal.body.steps.iter().any(|step| step.name == "user"))
    };
    while !is_at_work() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the user was made");
    }
    child
}

/// Exactly there, however busy the machine is.
fn kill_at_the_user(world: &World) {
    let lock = hold_accounts();
    let mut child = begin_the_user(world);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL));
    drop(lock);
    wait_for_tools();
}

#[test]
fn rights_are_laid_down_while_the_steps_run() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let lock = hold_accounts();
    let mut child = begin_the_user(&world);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_ne!(set("CapPrm:"), 0);
    assert_eq!(
        (set("CapEff:") & (DAC_OVERRIDE | DAC_READ_SEARCH | SYS_ADMIN), set("CapPrm:") & SYS_ADMIN),
        (0, 0)
    );
    drop(lock);
    assert!(child.wait().unwrap().success());
}
