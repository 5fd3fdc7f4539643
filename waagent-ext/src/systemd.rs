//! One call to PID 1 over its private socket: no bus daemon is needed, only uid 0.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::wait;

use crate::dbus::{self, Failure, Kind, Message};

/// The socket of systemd's manager for root's direct connections (src/core/dbus.c of systemd).
const SOCKET: &str = "/run/systemd/private";
/// For PID 1 to answer; where it doesn't, the caller asks again.
const LIMIT: Duration = Duration::from_secs(10);
/// Between words to a silent PID 1: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Has PID 1 start a unit; that its job was queued is all that is waited for. `TryAgain`: it may have been
/// heard, or not, or the machine goes down.
pub(crate) fn start_unit(root: &Root, unit: &str) -> Result<(), Fault> {
    let socket = root.path(SOCKET);
    start_unit_at(&socket, unit).map_err(|failure| {
        let (exit, why) = match failure {
            Failure::Refused(why) => (Exit::Unavailable, why),
            Failure::Unsettled(why) => (Exit::TryAgain, why),
        };
        Fault::new(exit, format!("cannot start '{unit}' by '{}': {why}", socket.display()))
    })
}

fn start_unit_at(socket: &Path, unit: &str) -> Result<(), Failure> {
    let mut stream = ask_to_start(socket, unit)?;
    dbus::reply(&mut stream)
}

fn ask_to_start(socket: &Path, unit: &str) -> Result<PatientReader, Failure> {
    let failed = |error: io::Error| Failure::Unsettled(error.to_string());
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    stream.set_write_timeout(Some(LIMIT)).map_err(failed)?;
    dbus::authenticate(&mut stream)?;
    let call = Message {
        kind: Kind::Call,
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member: "StartUnit",
        destination: "org.freedesktop.systemd1",
        arguments: &[unit, "fail"],
    };
    stream.write_all(&call.bytes()).map_err(failed)?;
    Ok(PatientReader { stream, until: Instant::now() + LIMIT, pause: PAUSES.0 })
}

/// Reads, and says an empty word whenever nothing comes. Where systemd reads the end of the handshake and the call at
/// once, it looks at the call only when more arrives (`bus_socket_process_authenticating` in
/// src/libsystemd/sd-bus/bus-socket.c leaves it in the buffer): seen with systemd 257, as 25 s of silence; what was sent
/// before it looked, however often, doesn't count. The word is a signal: what PID 1 checks by SELinux are method calls,
/// a built-in one such as `Ping` as class system, permission status (`mac_selinux_filter` in src/core/dbus.c).
struct PatientReader {
    stream: UnixStream,
    until: Instant,
    pause: Duration,
}

impl Read for PatientReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while Instant::now() < self.until {
            let mut ready = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
            if wait::ready(&mut ready, Some(self.pause))? {
                return self.stream.read(buffer);
            }
            self.pause = (self.pause * 2).min(PAUSES.1);
            self.stream.write_all(&waiting().bytes())?;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("none in {} s", LIMIT.as_secs())))
    }
}

/// What PID 1 has no match for, so it drops it unanswered.
const fn waiting() -> Message<'static> {
    Message {
        kind: Kind::Signal,
        path: "/",
        interface: "org.waagent.Starter",
        member: "Waiting",
        destination: "org.freedesktop.systemd1",
        arguments: &[],
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    use waagent_common::bytes::u32_at;

    use super::*;

    /// What systemd 252 sends back: a signal first, then the answer.
    fn answer(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut fields = vec![5, 1, b'u', 0];
        fields.extend(1_u32.to_le_bytes());
        let mut message = vec![b'l', kind, 1, 1];
        message.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        message.extend(7_u32.to_le_bytes());
        message.extend(u32::try_from(fields.len()).unwrap().to_le_bytes());
        message.extend(fields);
        message.extend(body);
        message
    }

    /// Plays PID 1 for one call; returns what it was asked.
    fn call(answers: Vec<u8>) -> (Result<(), Failure>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut auth = [0; 19];
            stream.read_exact(&mut auth).unwrap();
            assert_eq!(&auth, b"\0AUTH EXTERNAL 30\r\n");
            stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
            let mut asked = vec![0; 7 + 16];
            stream.read_exact(&mut asked).unwrap();
            let size = |at: usize| usize::try_from(u32_at(&asked, at).unwrap()).unwrap();
            let mut rest = vec![0; size(7 + 12).next_multiple_of(8) + size(7 + 4)];
            stream.read_exact(&mut rest).unwrap();
            stream.write_all(&answers).unwrap();
            asked.extend(rest);
            asked
        });
        let result = start_unit_at(&path, "waagent-ext-run@1-2.service");
        (result, server.join().unwrap())
    }

    #[test]
    fn asks_for_the_unit_and_takes_the_answer_after_a_signal() {
        let (result, asked) = call([answer(4, b""), answer(2, b"")].concat());
        assert_eq!(result, Ok(()));
        let asked = String::from_utf8_lossy(&asked).into_owned();
        for part in
            ["BEGIN\r\n", "StartUnit\0", "waagent-ext-run@1-2.service\0", "fail\0", "\u{8}\u{1}g\0\u{2}ss\0"]
        {
            assert!(asked.contains(part), "{part:?} in {asked:?}");
        }
    }

    /// The types of the whole messages in `sent`, after the handshake.
    fn kinds(sent: &[u8]) -> Vec<u8> {
        let mut rest = sent.strip_prefix(b"BEGIN\r\n").unwrap_or_default();
        let mut kinds = Vec::new();
        while rest.len() >= 16 {
            let size = |at: usize| usize::try_from(u32_at(rest, at).unwrap()).unwrap();
            let length = 16 + size(12).next_multiple_of(8) + size(4);
            if length > rest.len() {
                break;
            }
            kinds.push(rest[1]);
            rest = &rest[length..];
        }
        kinds
    }

    /// However late it looks, and whatever else it says first. PID 1 has SELinux decide about each method call, and we
    /// may call `StartUnit` alone: all other words are signals.
    #[test]
    fn wakes_a_manager_that_has_put_the_call_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = [0; 19];
            stream.read_exact(&mut read).unwrap();
            stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
            let mut all = Vec::new();
            // A signal, before anything is read; then nothing before more has come after it.
            stream.write_all(&answer(4, b"")).unwrap();
            while kinds(&all).len() < 7 {
                let mut piece = [0; 512];
                let length = stream.read(&mut piece).unwrap();
                all.extend(&piece[..length]);
            }
            stream.write_all(&answer(2, b"")).unwrap();
            kinds(&all)
        });
        assert_eq!(start_unit_at(&path, "waagent-ext-run@1-2.service"), Ok(()));
        assert_eq!(server.join().unwrap().get(..7), Some(&[1, 4, 4, 4, 4, 4, 4][..]));
    }

    #[test]
    fn names_the_managers_reason() {
        let mut body = 11_u32.to_le_bytes().to_vec();
        body.extend(b"Unit masked\0");
        let (result, _) = call(answer(3, &body));
        assert_eq!(result, Err(Failure::Refused("Unit masked".to_owned())));
        let (result, _) = call(b"garbage that is no message at all".to_vec());
        assert!(matches!(result, Err(Failure::Unsettled(_))), "{result:?}");
    }
}
