//! What a program may do, as a value, and nothing that acts: the program enters it, its unit and the SELinux module are
//! compared with it, an auditor reads it.
#![forbid(unsafe_code)]

mod declaration;
mod differences;
mod policy;
mod rights;
mod rules;
pub mod selinux;
mod shared;
mod syscall_table;
mod syscalls;
mod unit;

pub use declaration::{Account, Calls, Declaration, Entry, Node, Ports};
pub use differences::{Difference, Tables, compare};
pub use policy::{
    Access, Connects, Device, Grant, Ioctl, Named, Policy, RunsAs, Syscalls, device, found, grant, ioctl,
    syscall,
};
pub use rights::{RIGHTS, Rights};
pub use rules::{Argument, FIONBIO, Passes, Refusal, Rule, TCGETS, TCGETS2, WITH_ITS_PARENT};
pub use shared::{COMMON_READS, READ_BEFORE, Shared, TOOL_LOADERS, TOOL_READS};
pub use syscalls::{
    APART, BASE, EVENTS, FILES, NETWORK, PROCESSES, RESOLVER, THREADS, TOOLS, name as syscall_name,
    number as syscall_number,
};
pub use unit::Unit;
