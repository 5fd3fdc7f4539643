//! Using each right only for the step that needs it.

use nix::unistd::{Gid, Uid, getgroups, setfsgid, setfsuid, setgroups};
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sandbox::{give_up, lay_down, take_up};
use waagent_common::users::gid_of;
use waagent_declaration::Policy;

/// What the tools need, and this program only to read one private key: Fedora's `/etc/shadow` has mode 0000.
const OVERRIDE: &str = "CAP_DAC_OVERRIDE";
/// What restorecon needs, where its domain has no other right to enter the user's folders.
const SEARCH: &str = "CAP_DAC_READ_SEARCH";
/// What sethostname(2) needs.
const ADMIN: &str = "CAP_SYS_ADMIN";

/// Right after the sandbox: the groups by which secrets are read, and no right over other people's files.
pub fn settle(policy: &Policy, root: &Root) -> Result<(), Fault> {
    if !nix::unistd::geteuid().is_root() {
        let text = format!(
            "cannot start: {} runs as root; use 'systemctl start {}'",
            policy.program, policy.program
        );
        return Err(Fault::new(Exit::NotPermitted, text));
    }
    let groups: Vec<Gid> =
        policy.groups.iter().filter_map(|group| gid_of(root, group.what)).map(Gid::from_raw).collect();
    setgroups(&groups).map_err(|e| refused("take the groups of the policy", e))?;
    lay_down_files()
}

/// Other people's files are the tools' affair: they have these rights again when they are executed.
fn lay_down_files() -> Result<(), Fault> {
    lay_down(OVERRIDE)?;
    lay_down(SEARCH)
}

/// Once the host name is set, or is not going to be.
pub fn host_name_is_settled() -> Result<(), Fault> {
    give_up(ADMIN)
}

/// Reads what only another program's user may read.
pub(crate) fn over_file_modes<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    take_up(OVERRIDE)?;
    let result = read();
    lay_down(OVERRIDE)?;
    result
}

/// Works on files with this user's rights and no other: what is made is the user's from its creation, and what only
/// root may touch stays untouched, whatever links lie in the way.
pub(crate) fn as_user<T>(uid: u32, gid: u32, work: impl FnOnce() -> T) -> Result<T, Fault> {
    let groups = getgroups().map_err(|e| refused("ask for the groups", e))?;
    setgroups(&[]).map_err(|e| refused("leave the groups", e))?;
    let entered = switch(uid, gid);
    let result = entered.map(|()| work());
    let left = switch(0, 0);
    setgroups(&groups).map_err(|e| refused("take the groups back", e))?;
    // Going back to uid 0 raised all rights over files that are permitted.
    lay_down_files()?;
    left.and(result)
}

/// setfsuid(2) tells no failure: asking again does.
fn switch(uid: u32, gid: u32) -> Result<(), Fault> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setfsgid(gid);
    setfsuid(uid);
    if setfsgid(gid) == gid && setfsuid(uid) == uid {
        return Ok(());
    }
    Err(Fault::new(Exit::NotPermitted, format!("cannot work as uid {uid}: the kernel refuses")))
}

fn refused(act: &str, error: nix::errno::Errno) -> Fault {
    Fault::new(Exit::NotPermitted, format!("cannot {act}: {error}"))
}
