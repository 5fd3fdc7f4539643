//! A declaration as a program prints it (`--policy`), for whoever compares it with a layer.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::policy::{Access, Policy};

/// The part of a printed [`Policy`] that other layers say as well.
#[derive(Debug, Clone, Deserialize)]
pub struct Declaration {
    /// Name of the program.
    pub program: String,
    /// Whose rights it has.
    pub runs_as: Account,
    /// Supplementary groups.
    pub groups: Vec<Entry>,
    /// Its SELinux domain.
    pub selinux: String,
    /// Its capabilities.
    pub capabilities: Vec<Entry>,
    /// Its address families.
    pub families: Vec<Entry>,
    /// Its TCP connections.
    pub connects: Ports,
    /// Files and folders that it reads.
    pub reads: Vec<Entry>,
    /// Files and folders that it changes.
    pub writes: Vec<Entry>,
    /// Device nodes that it opens.
    pub devices: Vec<Node>,
    /// Programs that it executes.
    pub executes: Vec<Entry>,
    /// Its system calls.
    pub syscalls: Vec<Calls>,
}

/// Whose rights a program has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// A user of its own.
    User(String),
    /// uid 0.
    Root,
    /// Whoever started it.
    Caller,
}

/// A thing that is granted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// The thing.
    pub what: String,
}

/// Which TCP connections a program may open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// None at all.
    Nowhere,
    /// To these ports, each with its reason.
    Ports(Vec<(u16, String)>),
    /// To any port, for the reason given.
    Anywhere(String),
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Its path, or its class.
    pub what: String,
    /// What it is opened for.
    pub access: Access,
}

/// System calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Calls {
    /// Their names.
    pub calls: Vec<String>,
}

impl Declaration {
    /// Reads what a program prints.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// What this program would print.
    pub fn of(policy: &Policy) -> Result<Self, serde_json::Error> {
        Self::parse(&policy.to_json())
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        match &self.runs_as {
            Account::User(user) => user,
            Account::Root | Account::Caller => "root",
        }
    }

    /// Does it declare that nothing confines it?
    pub fn is_unconfined(&self) -> bool {
        self.capabilities.iter().any(|entry| entry.what == "all")
    }

    /// Its capabilities, `CAP_...`.
    pub fn capabilities(&self) -> BTreeSet<&str> {
        self.capabilities.iter().map(|entry| entry.what.as_str()).collect()
    }

    /// All of its system calls.
    pub fn calls(&self) -> BTreeSet<&str> {
        self.syscalls.iter().flat_map(|group| &group.calls).map(String::as_str).collect()
    }
}
