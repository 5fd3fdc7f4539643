//! The programs, and whose rights each gets: what their units say, for machines without units.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use caps::CapsHashSet;
use waagent_common::place::Place;
use waagent_common::sys::spawn::{Identity, capability};
use waagent_common::users::{gid_of, uid_of};

/// A program of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// The early run of waagent-net.
    Firewall,
    /// The provisioning medium.
    Media,
    /// Both passes of provisioning.
    Provision,
    /// Resource disk.
    Disk,
    /// Its finishing run, when the disk is mounted.
    DiskFinish,
    /// Certificates.
    Certs,
    /// Endpoint, firewall for it.
    Net,
    /// Gate, resident.
    Gate,
    /// Network, resident.
    Fetch,
    /// Notes the failure of another program, for the platform.
    FetchFailed,
    /// Extensions, resident.
    Ext,
    /// One command of a handler.
    Runner,
}

/// Rights that a program is started with.
#[derive(Debug)]
pub(crate) struct Rights {
    pub(crate) binary: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) user: &'static str,
    pub(crate) group: &'static str,
    pub(crate) groups: &'static [&'static str],
    /// `None`: all of them, the runner is unconfined.
    pub(crate) capabilities: Option<&'static [&'static str]>,
}

const NET_CAPABILITIES: &[&str] = &["CAP_NET_ADMIN"];
const PROVISION_CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
];
/// BLKPG needs it; nothing else of the disk program does.
const DISK_CAPABILITIES: &[&str] = &["CAP_SYS_ADMIN"];

impl Program {
    /// Does it stay?
    pub fn is_resident(self) -> bool {
        matches!(self, Self::Gate | Self::Fetch | Self::Ext)
    }

    /// What a run may take (`TimeoutStartSec=`); residents and commands have no end.
    pub fn limit(self) -> Option<Duration> {
        let seconds = match self {
            Self::Firewall | Self::FetchFailed => 30,
            Self::Media | Self::Provision => 90,
            Self::Disk | Self::DiskFinish => 360,
            Self::Certs => 60,
            Self::Net => 120,
            Self::Gate | Self::Fetch | Self::Ext | Self::Runner => return None,
        };
        Some(Duration::from_secs(seconds))
    }

    /// Its name in the journal.
    pub fn name(self) -> &'static str {
        self.rights().binary
    }

    /// What it is called with, before what a run adds.
    pub fn arguments(self) -> &'static [&'static str] {
        self.rights().arguments
    }

    /// Numbers and capabilities for a child, from the names that the accounts have on this machine.
    pub fn identity(self) -> Result<Identity> {
        let rights = self.rights();
        let place = Place::new(Path::new("/"));
        let group = |name: &str| gid_of(&place, name).with_context(|| format!("there is no group '{name}'"));
        let capabilities = rights
            .capabilities
            .map(|names| names.iter().filter_map(|name| capability(name)).collect::<CapsHashSet>());
        Ok(Identity {
            uid: uid_of(&place, rights.user)
                .with_context(|| format!("there is no user '{}'", rights.user))?,
            gid: group(rights.group)?,
            groups: rights.groups.iter().map(|name| group(name)).collect::<Result<_>>()?,
            no_new_privs: rights.capabilities.is_some(),
            capabilities,
            umask: if self == Self::Runner { 0o022 } else { 0o077 },
            session: true,
        })
    }

    pub(crate) fn rights(self) -> Rights {
        let root = Rights {
            binary: "",
            arguments: &[],
            user: "root",
            group: "root",
            groups: &["waagent"],
            capabilities: Some(&[]),
        };
        match self {
            Self::Firewall => Rights { arguments: &["firewall"], ..Self::Net.rights() },
            Self::Media => own("waagent-media", &["waagent", "cdrom"]),
            Self::Provision => Rights {
                binary: "waagent-provision",
                groups: &["waagent", "waagent-media"],
                capabilities: Some(PROVISION_CAPABILITIES),
                ..root
            },
            Self::Disk => Rights {
                binary: "waagent-disk",
                arguments: &["resource"],
                capabilities: Some(DISK_CAPABILITIES),
                ..root
            },
            Self::DiskFinish => Rights { arguments: &["resource", "--mounted"], ..Self::Disk.rights() },
            Self::Certs => own("waagent-certs", &["waagent"]),
            Self::Net => Rights { capabilities: Some(NET_CAPABILITIES), ..own("waagent-net", &["waagent"]) },
            Self::Gate => Rights { binary: "waagent-gate", group: "waagent", groups: &[], ..root },
            Self::Fetch | Self::FetchFailed => own("waagent-fetch", &["waagent"]),
            Self::Ext => Rights { binary: "waagent-ext", ..root },
            Self::Runner => Rights { binary: "waagent-ext-run", groups: &[], capabilities: None, ..root },
        }
    }
}

/// A program with a user of its own name and no capability.
fn own(name: &'static str, groups: &'static [&'static str]) -> Rights {
    Rights { binary: name, arguments: &[], user: name, group: name, groups, capabilities: Some(&[]) }
}
