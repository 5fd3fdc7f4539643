//! The programs, and whose rights each gets: their units, which the supervisor has in itself for machines without systemd.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use caps::CapsHashSet;
use waagent_common::root::Root;
use waagent_common::sys::spawn::{Identity, capability};
use waagent_common::users::{gid_of, uid_of};
use waagent_declaration::Unit;

/// A program of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// The early run of waagent-net.
    Firewall,
    /// The provisioning medium.
    Media,
    /// Provisioning before the network: the host name.
    Provision,
    /// The rest of it.
    ProvisionLate,
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
    /// Platform, resident.
    Fetch,
    /// Storage, while somebody has an order.
    Transfer,
    /// Notes the failure of another program, for the platform.
    FetchFailed,
    /// Extensions, resident.
    Ext,
    /// One command of a handler.
    Runner,
}

/// The service of a unit that is compiled in, as it is installed where there is a systemd.
macro_rules! service {
    ($name:literal) => {{
        static UNIT: LazyLock<Unit> =
            LazyLock::new(|| Unit::parse($name, include_str!(concat!("../../systemd/", $name))));
        &UNIT
    }};
}

impl Program {
    /// Its unit.
    pub fn unit(self) -> &'static Unit {
        match self {
            Self::Firewall => service!("waagent-firewall.service"),
            Self::Media => service!("waagent-media.service"),
            Self::Provision => service!("waagent-provision.service"),
            Self::ProvisionLate => service!("waagent-provision-late.service"),
            Self::Disk => service!("waagent-disk.service"),
            Self::DiskFinish => service!("waagent-disk-finish.service"),
            Self::Certs => service!("waagent-certs.service"),
            Self::Net => service!("waagent-net.service"),
            Self::Gate => service!("waagent-gate.service"),
            Self::Fetch => service!("waagent-fetch.service"),
            Self::Transfer => service!("waagent-transfer.service"),
            Self::FetchFailed => service!("waagent-failed@.service"),
            Self::Ext => service!("waagent-ext.service"),
            Self::Runner => service!("waagent-ext-run@.service"),
        }
    }

    /// Does it stay?
    pub fn is_resident(self) -> bool {
        self.unit().last("Restart") == Some("always")
    }

    /// Is it a link of the chain, which the next one waits for?
    pub fn is_link(self) -> bool {
        !self.is_resident() && !matches!(self, Self::Runner | Self::Transfer)
    }

    /// Is this exit status a success to its unit (`SuccessExitStatus=`)?
    pub fn succeeds_with(self, status: i32) -> bool {
        status == 0 || self.unit().words("SuccessExitStatus").any(|word| word.parse() == Ok(status))
    }

    /// What a run may take (`TimeoutStartSec=`); residents and commands have no end.
    pub fn limit(self) -> Option<Duration> {
        self.unit().time("TimeoutStartSec")
    }

    /// The name of its binary, and in the journal.
    pub fn name(self) -> &'static str {
        self.unit().program().unwrap_or_default()
    }

    /// What it is called with, before what a run adds where its unit has a specifier.
    pub fn arguments(self) -> impl Iterator<Item = &'static str> {
        let words = self.unit().last("ExecStart").unwrap_or_default().split(' ').skip(1);
        words.filter(|word| !word.starts_with('%'))
    }

    /// Numbers and capabilities for a child, from the names that the accounts have on this machine.
    pub fn identity(self) -> Result<Identity> {
        let unit = self.unit();
        let root = Root::new(Path::new("/"));
        let group = |name: &str| gid_of(&root, name).with_context(|| format!("there is no group '{name}'"));
        let user = unit.last("User").unwrap_or("root");
        // The runner alone has all capabilities, and may gain more: a line that is missing elsewhere gives nothing.
        let is_confined = self != Self::Runner;
        let capabilities = is_confined
            .then(|| unit.words("CapabilityBoundingSet").filter_map(capability).collect::<CapsHashSet>());
        Ok(Identity {
            uid: uid_of(&root, user).with_context(|| format!("there is no user '{user}'"))?,
            gid: group(unit.last("Group").unwrap_or(user))?,
            groups: unit.words("SupplementaryGroups").map(group).collect::<Result<_>>()?,
            no_new_privs: is_confined,
            capabilities,
            umask: unit.last("UMask").and_then(|mask| u32::from_str_radix(mask, 8).ok()).unwrap_or(0o077),
            session: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Program; 14] = [
        Program::Firewall,
        Program::Media,
        Program::Provision,
        Program::ProvisionLate,
        Program::Disk,
        Program::DiskFinish,
        Program::Certs,
        Program::Net,
        Program::Gate,
        Program::Fetch,
        Program::Transfer,
        Program::FetchFailed,
        Program::Ext,
        Program::Runner,
    ];

    #[test]
    fn each_program_has_a_unit_that_says_whose_rights_it_gets() {
        for program in ALL {
            let unit = program.unit();
            assert!(program.name().starts_with("waagent-"), "{}", unit.name);
            let is_confined =
                unit.has("CapabilityBoundingSet") && unit.last("NoNewPrivileges") == Some("yes");
            assert_eq!(is_confined, program != Program::Runner, "{}", unit.name);
            assert_eq!(program.limit().is_some(), program.is_link(), "{}", unit.name);
        }
    }

    #[test]
    fn arguments_and_rights_are_those_of_the_unit() {
        let all = |program: Program| program.arguments().collect::<Vec<_>>();
        assert_eq!(all(Program::DiskFinish), ["resource", "--mounted"]);
        assert_eq!(all(Program::FetchFailed), ["failed"]);
        assert_eq!(all(Program::Provision), ["--early"]);
        for program in [Program::Runner, Program::Gate, Program::ProvisionLate] {
            assert!(all(program).is_empty());
        }
        let Ok(runner) = Program::Runner.identity() else { return }; // no such accounts on this machine
        assert_eq!(
            (runner.uid, runner.umask, runner.capabilities, runner.no_new_privs),
            (0, 0o022, None, false)
        );
    }
}
