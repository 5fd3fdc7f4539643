//! The table of keys: what a row says, and the macro that makes a key type of rows.

use super::{IntegerKey, OptionalIntegerKey, OptionalTextKey, SwitchKey, TextKey};

/// One key of the configuration.
#[derive(Debug)]
pub struct Row {
    /// As it is written in the file; upper and lower case matter.
    pub name: &'static str,
    /// Type, default and what is accepted.
    pub kind: Kind,
    /// The programs that use it, without `waagent-`, separated by spaces; `all`: each of them.
    pub owners: &'static str,
    /// Whether it has an effect.
    pub status: Status,
    /// One line for people.
    pub meaning: &'static str,
}

/// Type, default and accepted values of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `y` or `n`.
    Switch {
        /// Where nothing is said.
        default: bool,
        /// The side that doesn't weaken the machine: a value that can't be read is taken for it. Where there is no
        /// such side, it is the default.
        closed: Option<bool>,
    },
    /// A whole number; out of range it is moved to the nearest end.
    Integer {
        /// Where nothing is said.
        default: u64,
        /// Smallest number.
        least: u64,
        /// Largest number.
        most: u64,
    },
    /// A whole number or nothing.
    OptionalInteger {
        /// Where nothing is said.
        default: Option<u64>,
        /// Smallest number.
        least: u64,
        /// Largest number.
        most: u64,
    },
    /// A string.
    Text {
        /// Where nothing is said.
        default: &'static str,
        /// What is accepted.
        form: Form,
    },
    /// A string or nothing.
    OptionalText {
        /// What is accepted.
        form: Form,
    },
}

/// What a string may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anything of up to 4096 bytes.
    Any,
    /// An absolute path without `..`.
    Path,
    /// The default and nothing else: the sandbox, the labels or other programs count on it. Anything else stops the agent.
    Fixed,
    /// One of these words; another one is taken for the second field.
    Word(&'static [&'static str], &'static str),
    /// One of these words; another one is a warning, and is kept for the program to report.
    Known(&'static [&'static str]),
    /// `[a-z0-9-]`, 1 to 16 characters.
    KeyType,
    /// `host`, `host:port` or `http://host:port`, without credentials.
    Proxy,
    /// IPv4 addresses, separated by commas or spaces, 8 at most.
    Addresses,
}

/// Whether a key has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A key of the Python agent that we honour.
    Used,
    /// Our own key.
    Ours,
    /// Accepted and listed, without effect for this reason.
    Ignored(&'static str),
    /// As [`Status::Ignored`], but `-show-configuration` never listed it.
    HiddenIgnored(&'static str),
}

impl Row {
    /// Whether `-show-configuration` prints it.
    pub const fn is_listed(&self) -> bool {
        !matches!(self.status, Status::HiddenIgnored(_))
    }

    /// Why it has no effect, if so.
    pub const fn ignored(&self) -> Option<&'static str> {
        match self.status {
            Status::Ignored(reason) | Status::HiddenIgnored(reason) => Some(reason),
            Status::Used | Status::Ours => None,
        }
    }

    /// Whether `program` (`waagent-net` or `net`) uses it.
    pub fn is_used_by(&self, program: &str) -> bool {
        let short = program.strip_prefix("waagent-").unwrap_or(program);
        self.owners.split(' ').any(|owner| owner == "all" || owner == short)
    }
}

/// A key of any type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// `y` or `n`.
    Switch(SwitchKey),
    /// A number.
    Integer(IntegerKey),
    /// A number or nothing.
    OptionalInteger(OptionalIntegerKey),
    /// A string.
    Text(TextKey),
    /// A string or nothing.
    OptionalText(OptionalTextKey),
}

impl Key {
    /// Every key, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        let switches = SwitchKey::ALL.iter().copied().map(Self::Switch);
        let integers = IntegerKey::ALL.iter().copied().map(Self::Integer);
        let optional_integers = OptionalIntegerKey::ALL.iter().copied().map(Self::OptionalInteger);
        let texts = TextKey::ALL.iter().copied().map(Self::Text);
        let optional_texts = OptionalTextKey::ALL.iter().copied().map(Self::OptionalText);
        switches.chain(integers).chain(optional_integers).chain(texts).chain(optional_texts)
    }

    /// The key of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|key| key.row().name == name)
    }

    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        match self {
            Self::Switch(key) => key.row(),
            Self::Integer(key) => key.row(),
            Self::OptionalInteger(key) => key.row(),
            Self::Text(key) => key.row(),
            Self::OptionalText(key) => key.row(),
        }
    }
}

/// Keys that never had, or no longer have, an effect anywhere: name and why.
pub const REMOVED: &[(&str, &str)] = &[
    ("CGroups.EnforceLimits", "never read by any agent; limits are in the units"),
    ("CGroups.Excluded", "never read by any agent; limits are in the units"),
    ("Home.Dir", "never read by any agent; the key is OS.HomeDir"),
    ("LBProbeResponder", "classic cloud services are gone; no port is opened"),
    ("Logs.File", "the log is always /var/log/waagent.log"),
    ("Network.Interface", "the interface is found by its driver"),
    ("OS.SshdConfigPath", "never read by any agent; see OS.SshDir"),
    ("Provisioning.Enabled", "removed in 2.2.45; use Provisioning.Agent=disabled"),
    ("Provisioning.UseCloudInit", "removed in 2.2.45; use Provisioning.Agent=cloud-init"),
    ("RSA.KeyLength", "never read by any agent"),
    ("Role.ConfigurationConsumer", "roles are gone; the program is not run"),
    ("Role.StateConsumer", "roles are gone; the program is not run"),
    ("Role.TopologyConsumer", "roles are gone; the program is not run"),
];

/// Makes an enum of rows. A row: variant, name, `Kind`, owners, `Status`, meaning.
macro_rules! keys {
    ($(#[$doc:meta])* $type:ident; $($variant:ident, $name:literal, $kind:expr, $owners:literal, $status:expr, $meaning:literal;)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $(#[doc = concat!("`", $name, "`: ", $meaning)] $variant,)+
        }

        impl $type {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its row of the table.
            pub const fn row(self) -> &'static crate::config::Row {
                match self {
                    $(Self::$variant => {
                        const ROW: crate::config::Row = crate::config::Row {
                            name: $name, kind: $kind, owners: $owners, status: $status, meaning: $meaning,
                        };
                        &ROW
                    })+
                }
            }
        }
    };
}
pub(super) use keys;
