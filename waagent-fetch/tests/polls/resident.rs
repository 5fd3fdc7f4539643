//! The resident loop: it is ready at once, follows what changes, and does nothing where nothing does.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use waagent_common::documents::{
    Certificates, GoalState, Inputs, MacState, SealedCertificates, TransportProblem, path_of,
};
use waagent_fabric::fault::Act;
use waagent_fabric::route::Route;
use waagent_fabric::until::Until;

use super::machine::{Machine, SCENARIO};
use super::once::provisioned;

struct Resident {
    child: Child,
    notices: UnixDatagram,
}

impl Resident {
    fn start(machine: &Machine) -> Self {
        let path = machine.root.path().join("notify");
        let notices = UnixDatagram::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        notices.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut command: Command = machine.fetcher(&[]);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3000000").stderr(Stdio::inherit());
        Self { child: command.spawn().unwrap(), notices }
    }

    /// Waits for a word to the service manager that begins so.
    fn says(&self, start: &str) -> String {
        let mut bytes = [0; 512];
        loop {
            let length = self.notices.recv(&mut bytes).unwrap();
            let word = String::from_utf8_lossy(bytes.get(..length).unwrap()).into_owned();
            if word.starts_with(start) {
                return word;
            }
        }
    }

    fn stop(mut self) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn waits(machine: &Machine, until: &Until) {
    assert!(machine.fabric.wait(until, Duration::from_secs(20)), "{until:?}");
}

/// Looks again and again: the other side is another process.
fn becomes(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn is_ready_at_once_follows_changes_and_ends_cleanly() {
    let scenario = format!("{SCENARIO}\n[[then]]\nafter = \"manual\"");
    let Some(machine) = Machine::new(&scenario) else { return };
    let resident = Resident::start(&machine);
    resident.says("READY=1");
    assert_eq!(resident.says("STATUS="), "STATUS=goal state 1");
    // The pair may be in the making: nobody is started for it, and the goal state has come without it.
    assert!(!path_of::<TransportProblem>(&machine.root()).exists());
    assert_eq!(machine.count(Route::Certificates), 0);
    machine.transport();
    waits(&machine, &Until::Requests(Route::Certificates, 1));
    becomes("the certificates are named", || {
        machine.document::<GoalState>().body.certificates_sha256.is_some()
    });
    machine.put(&provisioned("ready", ""), &Inputs::new());
    waits(&machine, &Until::Ready);
    waits(&machine, &Until::RoleProperties);
    assert!(machine.fabric.next_goal_state().unwrap());
    becomes("the next goal state", || machine.document::<GoalState>().body.incarnation == "2");
    becomes("its certificates", || machine.document::<SealedCertificates>().body.uri_incarnation == "2");
    resident.says("WATCHDOG=1");
    let pid = std::fs::read_to_string(machine.root().runtime_path("fetch/waagent.pid")).unwrap();
    assert_eq!(pid, resident.child.id().to_string());
    assert_eq!(resident.stop(), Some(0));
}

/// An unchanged goal state costs its requests, and not one byte on disk.
#[test]
fn an_idle_machine_writes_nothing() {
    let Some(machine) = Machine::new(&format!("{SCENARIO}\n[vm_settings]\nsupported = true")) else { return };
    machine.put(&provisioned("ready", ""), &Inputs::new());
    let resident = Resident::start(&machine);
    waits(&machine, &Until::Status);
    waits(&machine, &Until::RoleProperties);
    waits(&machine, &Until::Polls(4));
    let (before, record) = (machine.files(), machine.fabric.record());
    waits(&machine, &Until::Polls(9));
    assert_eq!(machine.files(), before);
    let after = machine.fabric.record();
    let new = after.total() - record.total();
    let polls = after.count(Route::GoalState) - record.count(Route::GoalState);
    assert!(new <= 2 * polls + 1, "{new} requests in {polls} polls");
    let not_modified = after.of(Route::VmSettings).filter(|exchange| exchange.status == 304).count();
    assert!(not_modified >= 4, "{not_modified}");
    assert_eq!(resident.stop(), Some(0));
}

#[test]
fn gets_over_a_platform_that_fails_and_doubts_its_address_after_five_polls() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    std::fs::remove_file(machine.root().runtime_path("gate/gate.sock")).unwrap();
    let resident = Resident::start(&machine);
    assert_eq!(resident.says("STATUS="), "STATUS=waiting for the WireServer");
    let problem = machine.lib("fetch/endpoint-problem.json");
    becomes("the endpoint is in doubt", || problem.exists());
    assert!(std::fs::read_to_string(&problem).unwrap().contains("168.63.129.16"));
    assert_eq!(resident.stop(), Some(0));
}

#[test]
fn heals_by_itself_after_faults() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.fault(Route::GoalState, 2, Act::Status { code: 500, retry_after: None, text: None });
    let resident = Resident::start(&machine);
    assert_eq!(resident.says("STATUS="), "STATUS=answers without a usable goal state");
    assert_eq!(resident.says("STATUS="), "STATUS=goal state 1");
    machine.fault(Route::GoalState, 1, Act::ResetBefore);
    waits(&machine, &Until::Polls(6));
    assert_eq!(machine.document::<GoalState>().body.incarnation, "1");
    assert_eq!(resident.stop(), Some(0));
}

/// The period is a second; the platform asks for two.
#[test]
fn leaves_a_platform_alone_that_throttles_and_goes_on_after_that() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.fault(Route::GoalState, 2, Act::Status { code: 503, retry_after: Some(2), text: None });
    let start = Instant::now();
    let resident = Resident::start(&machine);
    assert_eq!(resident.says("STATUS="), "STATUS=answers without a usable goal state");
    // A document that asks for a poll at once has to wait, too.
    machine.put(&provisioned("ready", ""), &Inputs::new());
    assert_eq!(resident.says("STATUS="), "STATUS=goal state 1");
    // Two seconds as asked, then four (doubled), a fifth less at most by chance.
    assert!(start.elapsed() >= Duration::from_millis(5200), "{:?}", start.elapsed());
    let record = machine.fabric.record();
    assert!(record.of(Route::GoalState).take(3).map(|exchange| exchange.status).eq([503, 503, 200]));
    waits(&machine, &Until::Ready);
    let polls = machine.count(Route::GoalState);
    let healed = Instant::now();
    waits(&machine, &Until::Requests(Route::GoalState, polls + 2));
    // Two polls of a second each; at the doubled pace they would take sixteen.
    assert!(healed.elapsed() < Duration::from_secs(15), "a success ends it: {:?}", healed.elapsed());
    assert_eq!(resident.stop(), Some(0));
}

#[test]
fn a_second_one_is_refused_while_the_first_runs() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let resident = Resident::start(&machine);
    resident.says("STATUS=goal state 1");
    let (code, text) = machine.once();
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("another run of this program holds"), "{text}");
    assert_eq!(resident.stop(), Some(0));
    assert_eq!(machine.once().0, 0);
}

#[test]
fn a_running_fetcher_takes_the_end_of_fast_track_as_outdated_once() {
    let scenario = format!(
        "{SCENARIO}\n[vm_settings]\nsupported = true\n[[then]]\nafter = \"manual\"\nchannel = \"fast-track\""
    );
    let Some(machine) = Machine::new(&scenario) else { return };
    let resident = Resident::start(&machine);
    assert_eq!(resident.says("STATUS="), "STATUS=goal state 1");
    assert!(machine.fabric.next_goal_state().unwrap());
    assert_eq!(resident.says("STATUS="), "STATUS=goal state 1, fast track");
    machine.break_route(Route::VmSettings, Act::Status { code: 404, retry_after: None, text: None });
    becomes("the older goal state is outdated", || machine.document::<GoalState>().body.outdated);
    let before = machine.count(Route::ExtensionsConfig);
    waits(&machine, &Until::Polls(12));
    assert_eq!(machine.count(Route::ExtensionsConfig), before);
    assert_eq!(resident.stop(), Some(0));
}

/// The tenant's certificate can be new under the same incarnation, after hibernation.
#[test]
fn asks_twice_for_a_certificate_that_fast_track_names_and_is_not_there() {
    let scenario = format!(
        "{SCENARIO}\n[vm_settings]\nsupported = true\n[[then]]\nafter = \"manual\"\nchannel = \"fast-track\""
    );
    let Some(machine) = Machine::new(&scenario) else { return };
    machine.transport();
    let resident = Resident::start(&machine);
    resident.says("STATUS=goal state 1");
    assert!(machine.fabric.next_goal_state().unwrap());
    resident.says("STATUS=goal state 1, fast track");
    for new in [Some(2), Some(3), None] {
        let sealed = machine.document::<SealedCertificates>();
        let opened = Certificates {
            certificates: Vec::new(),
            needs: None,
            mac: MacState::Verified,
            errors: Vec::new(),
        };
        becomes("the goal state names the certificates", || {
            let named = machine.document::<GoalState>().body.certificates_sha256;
            named.is_some_and(|named| named.as_str() == sealed.digest)
        });
        machine.put(&opened, &Inputs::new().document(&sealed));
        let Some(requests) = new else { continue };
        waits(&machine, &Until::Requests(Route::Certificates, requests));
        // The platform counts a request before its answer is published: the next turn must not read the old document.
        becomes("new ones are published", || {
            machine.document::<SealedCertificates>().digest != sealed.digest
        });
        assert_eq!(machine.count(Route::Certificates), requests);
    }
    let polls = machine.count(Route::GoalState);
    waits(&machine, &Until::Requests(Route::GoalState, polls + 3));
    assert_eq!(machine.count(Route::Certificates), 3, "twice, and then it goes on");
    assert_eq!(resident.stop(), Some(0));
}
