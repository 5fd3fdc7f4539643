//! The programs of the agent: their declarations, and where their sources are.

use waagent_declaration::{Policy, RunsAs};

/// A program.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it may do; none where it declares nothing.
    pub policy: Option<&'static Policy>,
    /// The source whose first lines are its page.
    pub source: &'static str,
}

/// Programs in the order of a boot.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "waagent-net",
        policy: Some(&waagent_net::policy::POLICY),
        source: "waagent-net/src/main.rs",
    },
    Program {
        name: "waagent-gate",
        policy: Some(&waagent_gate::policy::POLICY),
        source: "waagent-gate/src/main.rs",
    },
    Program {
        name: "waagent-fetch",
        policy: Some(&waagent_fetch::policy::POLICY),
        source: "waagent-fetch/src/main.rs",
    },
    Program {
        name: "waagent-transfer",
        policy: Some(&waagent_transfer::policy::POLICY),
        source: "waagent-transfer/src/main.rs",
    },
    Program {
        name: "waagent-certs",
        policy: Some(&waagent_certs::policy::POLICY),
        source: "waagent-certs/src/main.rs",
    },
    Program {
        name: "waagent-media",
        policy: Some(&waagent_media::policy::POLICY),
        source: "waagent-media/src/main.rs",
    },
    Program {
        name: "waagent-provision",
        policy: Some(&waagent_provision::policy::POLICY),
        source: "waagent-provision/src/main.rs",
    },
    Program {
        name: "waagent-disk",
        policy: Some(&waagent_disk::policy::POLICY),
        source: "waagent-disk/src/main.rs",
    },
    Program {
        name: "waagent-ext",
        policy: Some(&waagent_ext::policy::POLICY),
        source: "waagent-ext/src/main.rs",
    },
    Program {
        name: "waagent-ext-run",
        policy: Some(&waagent_ext_run::policy::POLICY),
        source: "waagent-ext-run/src/main.rs",
    },
    Program { name: "waagent-supervise", policy: None, source: "waagent-supervise/src/main.rs" },
    Program { name: "waagent", policy: None, source: "waagent/src/main.rs" },
];

/// How much a program could do to the machine, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// An own user without any capability.
    User,
    /// uid 0 without any capability: root's files by their modes, and nothing else of root's.
    BareRoot,
    /// An own user with a capability.
    CapableUser,
    /// uid 0 with capabilities.
    Root,
    /// Everything.
    Unconfined,
}

impl Level {
    /// Of a declaration.
    pub fn of(policy: &Policy) -> Self {
        let all = policy.capabilities.iter().any(|grant| grant.what == "all");
        match (policy.runs_as, policy.capabilities.is_empty()) {
            _ if all => Self::Unconfined,
            (RunsAs::User(_), true) => Self::User,
            (RunsAs::User(_), false) => Self::CapableUser,
            (_, true) => Self::BareRoot,
            (_, false) => Self::Root,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::User => "own user, no capability",
            Self::BareRoot => "uid 0, no capability",
            Self::CapableUser => "own user, with capability",
            Self::Root => "uid 0, with capabilities",
            Self::Unconfined => "unconfined",
        }
    }

    /// The class by which the picture colours it.
    pub fn class(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::BareRoot => "bare-root",
            Self::CapableUser => "capable-user",
            Self::Root => "root",
            Self::Unconfined => "unconfined",
        }
    }
}

/// All levels, from least to most.
pub const LEVELS: &[Level] =
    &[Level::User, Level::BareRoot, Level::CapableUser, Level::Root, Level::Unconfined];

/// `waagent-net`, `root` or `its caller`.
pub fn user(policy: &Policy) -> &'static str {
    match policy.runs_as {
        RunsAs::User(name) => name,
        RunsAs::Root => "root",
        RunsAs::Caller => "its caller",
    }
}
