//! The resident program: wakes when something changes, and only then.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rules::{THUMBPRINT, certificates};
use crate::stage::{GOOD, Handler, Stage};

pub struct Resident<'a> {
    stage: &'a Stage,
    child: Child,
    notify: UnixDatagram,
    changed: Inotify,
}

impl<'a> Resident<'a> {
    /// Starts the program and waits until it says that it is ready.
    pub fn start(stage: &'a Stage, watchdog_us: u64) -> Self {
        let socket = stage.root().join("notify");
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut command = Command::new(stage.planner().get_program());
        command.arg("--root").arg(stage.root()).env("NOTIFY_SOCKET", &socket).stdout(Stdio::null());
        if watchdog_us > 0 {
            command.env("WATCHDOG_USEC", watchdog_us.to_string());
        }
        let changed = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
        for folder in ["ext", "ext/commands"] {
            changed.add_watch(&stage.root.state_path(folder), AddWatchFlags::IN_MOVED_TO).unwrap();
        }
        let child = command.spawn().unwrap();
        let resident = Self { stage, child, notify, changed };
        assert_eq!(resident.word(), "READY=1");
        resident
    }

    fn word(&self) -> String {
        let mut buffer = [0; 64];
        let length = self.notify.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Plays the supervisor until the report says this.
    fn until(&self, done: impl Fn(&Stage) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            self.stage.run_waiting();
            if self.stage.root.state_path("ext/status.json").exists() && done(self.stage) {
                return;
            }
            assert!(Instant::now() < end, "no end");
            self.changed.read_events().unwrap();
        }
    }

    fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2).map(|n| n.parse::<u64>().unwrap()).sum()
    }

    /// Waits for its end, and says how it ended.
    pub fn ends_with(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    fn ask_to_end(&self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    }

    /// Asks it to end.
    pub fn stop(self) {
        self.ask_to_end();
        assert_eq!(self.ends_with(), 0);
    }
}

#[test]
fn works_on_a_goal_state_that_arrives_and_ends_when_asked() {
    let stage = Stage::new();
    let resident = Resident::start(&stage, 0);
    let handlers: Vec<Handler> = (0..5).map(|n| Handler::new(&format!("Test.N{n}"), GOOD)).collect();
    stage.goal(1, handlers.iter().map(Handler::extension).collect());
    for handler in &handlers {
        stage.offer(handler);
    }
    resident.until(|stage| stage.status().complete);
    for handler in &handlers {
        assert_eq!(stage.own(&handler.name)["status"], "success");
    }
    let before = resident.processor_time();
    // A status that changes later is reported, also when its folder was replaced in between.
    let folder = stage.base(&handlers[0]).join("status");
    let text = fs::read_to_string(folder.join("0.status")).unwrap();
    fs::write(folder.join("0.status"), text.replace("\"done\"", "\"later\"")).unwrap();
    resident.until(|stage| stage.own("Test.N0")["formattedMessage"]["message"] == "later");
    fs::rename(&folder, folder.with_extension("old")).unwrap();
    resident.until(|stage| stage.own("Test.N0")["status"] == "transitioning");
    assert!(resident.processor_time() - before < 50, "it spins");
    resident.stop();
}

/// A certificate that is renewed comes without anything to do for an extension.
#[test]
fn links_certificates_when_they_come_and_when_it_starts() {
    let stage = Stage::new();
    let link = stage.root.state_path(format!("{THUMBPRINT}.crt"));
    let is_linked = || {
        let end = Instant::now() + Duration::from_secs(20);
        while link.symlink_metadata().is_err() {
            assert!(Instant::now() < end, "no link");
            std::thread::yield_now();
        }
    };
    let resident = Resident::start(&stage, 0);
    assert!(link.symlink_metadata().is_err());
    certificates(&stage, &"ab".repeat(32));
    is_linked();
    resident.stop();
    fs::remove_file(&link).unwrap();
    fs::remove_file(stage.root().join("notify")).unwrap();
    let resident = Resident::start(&stage, 0);
    is_linked();
    resident.stop();
}

#[test]
fn tells_the_service_manager_that_it_lives_and_that_it_ends() {
    let stage = Stage::new();
    let resident = Resident::start(&stage, 200_000);
    assert_eq!(resident.word(), "WATCHDOG=1");
    assert_eq!(resident.word(), "WATCHDOG=1");
    // A second one is told who holds the lock.
    let second = stage.planner().output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    resident.ask_to_end();
    while resident.word() != "STOPPING=1" {}
    assert_eq!(resident.ends_with(), 0);
}
