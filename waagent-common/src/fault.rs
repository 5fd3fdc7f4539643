//! How a program ends: what it did, or what went wrong and what to do about it.

use std::fmt;
use std::io;

use nix::errno::Errno;

/// Exit statuses, by the numbers and names of `sysexits.h`, which `systemctl status` prints by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Wrong arguments.
    Usage = 64,
    /// A document, medium or package is damaged.
    Data = 65,
    /// An input that must be there isn't.
    NoInput = 66,
    /// The platform, or a service of this machine, doesn't answer.
    Unavailable = 69,
    /// A fault of our own.
    Software = 70,
    /// The kernel refused something that it should grant.
    Os = 71,
    /// An output can't be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Try again later: another run is at work, or something isn't there yet.
    TryAgain = 75,
    /// The platform's answer makes no sense.
    Protocol = 76,
    /// Sandbox, user or domain aren't what the policy declares.
    NotPermitted = 77,
    /// The configuration asks for what can't be done.
    Config = 78,
}

impl Exit {
    /// The number for `exit(3)`.
    #[expect(clippy::as_conversions, reason = "an enum's discriminant, all below 256")]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// An error with the exit status it leads to, and a text for people: act, 'object', field, cause; remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The exit status.
    pub exit: Exit,
    /// Lower case, no full stop, foreign text escaped.
    pub text: String,
    /// The kernel's error behind it, as far as somebody decides by it.
    pub errno: Option<Errno>,
}

impl Fault {
    /// Any exit status.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), errno: None }
    }

    /// Damaged input: 65.
    pub fn data(text: impl Into<String>) -> Self {
        Self::new(Exit::Data, text)
    }

    /// With the kernel's error behind it.
    #[must_use]
    pub fn because(mut self, error: impl Into<io::Error>) -> Self {
        self.errno = error.into().raw_os_error().map(Errno::from_raw);
        self
    }

    /// The same, with what it is about in front.
    #[must_use]
    pub fn of(mut self, what: impl fmt::Display) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// Reading or writing failed: 74.
    pub fn io(text: impl Into<String>) -> Self {
        Self::new(Exit::Io, text)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something was done; the text is the result line, past tense.
    Done(String),
    /// Inputs and state are as the last run left them; the text says what was looked at.
    Unchanged(String),
    /// What would change; printed on standard output, nothing was changed.
    Planned(String),
    /// The program has said all there is to say.
    Said,
    /// The work was a child's, which has said it and ended with this status.
    Ended(u8),
}

/// The kernel's error behind an error, whoever of its causes has it.
pub fn errno_of(error: &anyhow::Error) -> Option<Errno> {
    error.chain().find_map(|cause| {
        let of_io = || cause.downcast_ref::<io::Error>()?.raw_os_error().map(Errno::from_raw);
        let of_fault = || cause.downcast_ref::<Fault>()?.errno;
        cause.downcast_ref::<Errno>().copied().or_else(of_io).or_else(of_fault)
    })
}

/// The exit status that an error asks for: that of the first [`Fault`] under its contexts, else 70.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|cause| cause.downcast_ref::<Fault>()).map_or(Exit::Software, |fault| fault.exit)
}
