//! The command line, in the spellings that WALinuxAgent has accepted for fifteen years.
//!
//! Any of `-`, `--`, `/` or nothing may stand before a known word. Unlike there, only whole words count: a misspelt
//! destructive command is an error, never another destructive command.

use std::collections::BTreeSet;
use std::path::PathBuf;

use waagent_common::text::shown;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// Configuration file instead of `/etc/waagent.conf`.
    pub configuration: Option<PathBuf>,
    /// Flags that were given.
    pub flags: BTreeSet<Flag>,
    /// `--root DIR`, for `status`, `audit` and `show-configuration`.
    pub root: PathBuf,
}

/// Words that change how a command works. Those that none of this version's looks at are taken all the same: scripts of
/// image builders give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// No question before deprovisioning; not looked at.
    Force,
    /// Not looked at: programs log as `Logs.Verbose` says.
    Verbose,
    /// Machine-readable, for `status` and `audit`.
    Json,
    /// Say what would change, for deprovisioning; not looked at.
    Plan,
    /// Where each value comes from, for `show-configuration`.
    Origin,
    /// Everything, for `collect-logs`; not looked at.
    Full,
    /// As `Verbose`, for `run-exthandlers`.
    Debug,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Explain the commands.
    Help,
    /// Three lines, as tools parse them.
    Version,
    /// Effective values of all keys.
    ShowConfiguration,
    /// Exit 1 if the configuration has a bad value.
    CheckConfiguration,
    /// The whole chain on one screen.
    Status,
    /// What is in force against what is declared.
    Audit,
    /// A program's declared policy.
    Policy(String),
    /// Run the chain in the foreground.
    Daemon,
    /// Start the chain in the background.
    Start,
    /// Start network and extensions.
    RunExthandlers,
    /// Enable and restart the service.
    RegisterService,
    /// Provision now.
    Provision,
    /// Set the firewall now.
    SetupFirewall(String),
    /// Collect logs into an archive; not in this version.
    CollectLogs,
    /// Clean the image; not in this version. Known, so that no misspelling of it is anything else.
    Deprovision {
        /// Delete the provisioned user too.
        user: bool,
    },
}

/// Why the words make no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(pub String);

/// Words that are commands by themselves.
const COMMANDS: &[(&str, Command)] = &[
    ("help", Command::Help),
    ("usage", Command::Help),
    ("?", Command::Help),
    ("version", Command::Version),
    ("show-configuration", Command::ShowConfiguration),
    ("check-configuration", Command::CheckConfiguration),
    ("status", Command::Status),
    ("audit", Command::Audit),
    ("daemon", Command::Daemon),
    ("start", Command::Start),
    ("run-exthandlers", Command::RunExthandlers),
    ("register-service", Command::RegisterService),
    ("provision", Command::Provision),
    ("collect-logs", Command::CollectLogs),
    ("deprovision", Command::Deprovision { user: false }),
    ("deprovision+user", Command::Deprovision { user: true }),
];

/// Flags that are words by themselves.
const FLAGS: &[(&str, Flag)] = &[
    ("verbose", Flag::Verbose),
    ("debug", Flag::Debug),
    ("force", Flag::Force),
    ("full", Flag::Full),
    ("json", Flag::Json),
    ("plan", Flag::Plan),
    ("origin", Flag::Origin),
];

/// Words that take something, for the hint at the nearest one.
const OTHERS: &[&str] = &["root", "policy", "configuration-path:", "setup-firewall="];

/// Reads the words after the program's name.
pub fn parse(words: &[String]) -> Result<Request, UsageError> {
    let mut request = Request {
        command: Command::Help,
        configuration: None,
        flags: BTreeSet::new(),
        root: PathBuf::from("/"),
    };
    let mut command: Option<Command> = None;
    let mut words = words.iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let bare = word.trim_start_matches(['-', '/']);
        if let Some(found) = command_of(bare, &mut words)? {
            command = Some(one_command(command, found)?);
        } else {
            flag(bare, word, &mut words, &mut request)?;
        }
    }
    request.command = command.unwrap_or(Command::Help);
    Ok(request)
}

fn command_of<'a>(
    bare: &str,
    words: &mut impl Iterator<Item = &'a String>,
) -> Result<Option<Command>, UsageError> {
    if let Some((_, command)) = COMMANDS.iter().find(|(name, _)| *name == bare) {
        return Ok(Some(command.clone()));
    }
    if bare == "policy" {
        let program = words.next().ok_or_else(|| UsageError("policy: of which program?".to_owned()))?;
        return Ok(Some(Command::Policy(program.clone())));
    }
    Ok(bare.strip_prefix("setup-firewall=").map(|address| Command::SetupFirewall(address.to_owned())))
}

/// Help wins over everything; any other two commands contradict each other.
fn one_command(before: Option<Command>, now: Command) -> Result<Command, UsageError> {
    match before {
        None => Ok(now),
        Some(before) if before == now => Ok(now),
        Some(before) if before == Command::Help || now == Command::Help => Ok(Command::Help),
        Some(_) => Err(UsageError("two commands at once; give one".to_owned())),
    }
}

fn flag<'a>(
    bare: &str,
    word: &str,
    words: &mut impl Iterator<Item = &'a String>,
    request: &mut Request,
) -> Result<(), UsageError> {
    let path = bare.strip_prefix("configuration-path:").or_else(|| bare.strip_prefix("conf="));
    if let Some(path) = path {
        request.configuration = Some(PathBuf::from(path));
        return Ok(());
    }
    if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == bare) {
        request.flags.insert(*flag);
        return Ok(());
    }
    if bare == "root" {
        let folder = words.next().ok_or_else(|| UsageError("root: which folder?".to_owned()))?;
        request.root = PathBuf::from(folder);
        return Ok(());
    }
    Err(UsageError(format!("unknown argument '{}'{}", shown(word), hint(bare))))
}

/// The known word with the most letters in common at its beginning; of several the shortest.
fn hint(bare: &str) -> String {
    let common = |known: &str| known.bytes().zip(bare.bytes()).take_while(|(a, b)| a == b).count();
    COMMANDS
        .iter()
        .map(|(name, _)| *name)
        .chain(FLAGS.iter().map(|(name, _)| *name))
        .chain(OTHERS.iter().copied())
        .max_by_key(|known| (common(known), std::cmp::Reverse(known.len())))
        .filter(|known| common(known) >= 2)
        .map_or_else(String::new, |known| format!("; did you mean '-{known}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, UsageError> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).map(|request| request.command)
    }

    #[test]
    fn takes_every_spelling() {
        for word in ["-version", "--version", "/version", "version"] {
            assert_eq!(parsed(&[word]), Ok(Command::Version));
        }
        assert_eq!(parsed(&["-deprovision+user", "-force"]), Ok(Command::Deprovision { user: true }));
        assert_eq!(parsed(&[]), Ok(Command::Help));
        assert_eq!(parsed(&["-deprovision", "-help"]), Ok(Command::Help));
        assert_eq!(parsed(&["policy", "waagent-net"]), Ok(Command::Policy("waagent-net".to_owned())));
    }

    #[test]
    fn a_misspelt_command_is_never_another_one() {
        for word in ["-deprovision+usr", "-deprovisionX", "-deprovision-user", "-versionx", "-Version"] {
            let error = parsed(&[word]).unwrap_err();
            assert!(error.0.contains(word), "{}", error.0);
        }
        assert!(parsed(&["-deprovison"]).unwrap_err().0.contains("did you mean '-deprovision'"));
        assert!(parsed(&["-version", "-deprovision"]).unwrap_err().0.contains("two commands"));
    }

    #[test]
    fn takes_the_configuration_path() {
        let words = ["-configuration-path:/tmp/a b.conf", "-show-configuration"].map(str::to_owned);
        assert_eq!(parse(&words).unwrap().configuration, Some(PathBuf::from("/tmp/a b.conf")));
    }
}
