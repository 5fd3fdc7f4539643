//! Arguments: what a declared system call may be asked. One list is the filter, the printed declaration, the report and
//! the test that tries each line of it.

use serde::Serialize;

use super::{Ioctl, Policy};

/// Flags of clone(2) that make namespaces (linux/sched.h).
const NAMESPACES: u32 = 0x7e02_0080;
/// PROT_EXEC of mmap(2).
const PROT_EXEC: u32 = 4;
/// PR_SET_PDEATHSIG of prctl(2).
const PR_SET_PDEATHSIG: u32 = 1;
/// errno(3): not a terminal, no such call, no such address family.
const ENOTTY: i32 = 25;
const ENOSYS: i32 = 38;
const EAFNOSUPPORT: i32 = 97;

/// isatty(3).
pub const TCGETS: Ioctl = super::ioctl("TCGETS", 0x5401, "is it a terminal?");
/// isatty(3) of glibc 2.42 and later.
pub const TCGETS2: Ioctl = super::ioctl("TCGETS2", 0x802c_542a, "is it a terminal? asked by glibc 2.42");
/// What the standard library makes sockets and pipes non-blocking by.
pub const FIONBIO: Ioctl = super::ioctl("FIONBIO", 0x5421, "sockets that don't block");

/// What is answered to a call that isn't declared with such an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The program ends with 77, and the call's name; a tool is killed by SIGSYS.
    Ends,
    /// An error, by the number of errno(3): for what executed tools and libraries ask and can do without.
    Errno(i32),
}

impl Refusal {
    /// "Inappropriate ioctl for device", as a device without such a request says.
    pub const NO_SUCH_REQUEST: Self = Self::Errno(ENOTTY);
    /// "Address family not supported", as a kernel says that was built without it.
    pub const NO_SUCH_FAMILY: Self = Self::Errno(EAFNOSUPPORT);
}

/// Which values of an argument pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passes {
    /// These, by name and number.
    Only(Vec<(&'static str, u32)>),
    /// Whatever has none of these bits.
    Without(&'static str, u32),
}

/// One argument of one system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The call.
    pub call: &'static str,
    /// Which of its arguments, from 0.
    pub argument: u8,
    /// What passes.
    pub passes: Passes,
    /// What everything else is answered.
    pub otherwise: Refusal,
}

/// A declared call of which a program needs one purpose alone.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Argument {
    /// The call.
    pub what: &'static str,
    /// Which of its arguments, from 0.
    pub argument: u8,
    /// The values that pass, by name and number.
    pub values: &'static [(&'static str, u32)],
    /// The step that needs it.
    pub why: &'static str,
}

/// A part of the work, done in a child, ends with its parent.
pub const WITH_ITS_PARENT: Argument = Argument {
    what: "prctl",
    argument: 0,
    values: &[("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG)],
    why: "a part of the work that is done in a child ends with its parent",
};

impl Policy {
    /// Every rule about arguments that the filter enforces; calls that aren't declared need none.
    pub fn rules(&self) -> Vec<Rule> {
        let only = |call, argument, values, otherwise| Rule {
            call,
            argument,
            passes: Passes::Only(values),
            otherwise,
        };
        let without = |call, argument, name, bits| Rule {
            call,
            argument,
            passes: Passes::Without(name, bits),
            otherwise: Refusal::Ends,
        };
        let mut rules = vec![
            // Its flags are behind a pointer, where no filter can look: libc uses clone instead.
            only("clone3", 0, Vec::new(), Refusal::Errno(ENOSYS)),
            without("clone", 0, "CLONE_NEW*", NAMESPACES),
            only("ioctl", 1, self.ioctls.iter().map(|it| (it.what, it.request)).collect(), self.other_ioctls),
            only("socket", 0, self.family_numbers(), self.other_families),
            // A pair of connected sockets is always local.
            only("socketpair", 0, vec![("AF_UNIX", 1)], Refusal::Ends),
        ];
        if self.maps_code.is_none() {
            rules.push(without("mmap", 2, "PROT_EXEC", PROT_EXEC));
            rules.push(without("mprotect", 2, "PROT_EXEC", PROT_EXEC));
        }
        rules.extend(
            self.arguments.iter().map(|it| only(it.what, it.argument, it.values.to_vec(), Refusal::Ends)),
        );
        rules.retain(|rule| self.declares(rule.call));
        rules
    }

    /// Is this system call declared, with whatever arguments?
    pub fn declares(&self, call: &str) -> bool {
        self.syscalls.iter().any(|group| group.calls.contains(&call))
    }

    /// A family that has no number here is none that passes.
    fn family_numbers(&self) -> Vec<(&'static str, u32)> {
        self.families.iter().filter_map(|grant| Some((grant.what, family(grant.what)?))).collect()
    }
}

/// Numbers of linux/socket.h.
fn family(name: &str) -> Option<u32> {
    Some(match name {
        "AF_UNIX" => 1,
        "AF_INET" => 2,
        "AF_INET6" => 10,
        "AF_NETLINK" => 16,
        "AF_PACKET" => 17,
        _ => return None,
    })
}
