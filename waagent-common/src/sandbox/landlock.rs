//! The layer of paths, ports and signals: landlock(7).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    PathBeneath, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};

use waagent_declaration::{
    Access as Opened, COMMON_READS, Connects, Device, Named, Policy, TOOL_LOADERS, TOOL_READS,
};

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::args::Common;
use crate::root::{RUNTIME_PATH, Root, STATE_PATH};

/// What we ask for: the newest interface whose every part the policies describe. Older kernels enforce what they know.
const ASKED: ABI = ABI::V6;

/// Descriptors without which a rule would be lost. procfs makes a new inode for a name that the kernel forgot under
/// memory pressure (`/proc/sys/vm/drop_caches` shows it), and the rule holds the old one; a name that is held open isn't
/// forgotten.
pub(super) type Kept = Vec<Arc<OwnedFd>>;

/// Restricts the process, and says what is in force. `found` are the nodes of the declared classes of devices, where
/// they are known.
pub(super) fn restrict(
    policy: &Policy,
    args: &Common,
    found: Option<&[PathBuf]>,
    kept: &mut Kept,
    shortfalls: &mut Vec<String>,
) -> String {
    match apply(policy, args, found, kept) {
        Ok(status) => match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented | LandlockStatus::NotEnabled) => {
                "not offered by this kernel".to_owned()
            }
            (RulesetStatus::NotEnforced, _) => {
                let text = "the kernel offers Landlock, but it isn't in force".to_owned();
                shortfalls.push(text.clone());
                text
            }
            (_, LandlockStatus::Available { effective_abi, .. }) => {
                format!("enforced, ABI {}", abi_number(effective_abi.min(ASKED)))
            }
            _ => "enforced".to_owned(),
        },
        Err(error) => {
            let text = format!("cannot enter Landlock: {error}");
            shortfalls.push(text.clone());
            text
        }
    }
}

#[expect(clippy::as_conversions, reason = "an enum's discriminant: its documented number")]
fn abi_number(abi: ABI) -> i32 {
    abi as i32
}

fn apply(
    policy: &Policy,
    args: &Common,
    found: Option<&[PathBuf]>,
    kept: &mut Kept,
) -> Result<landlock::RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ASKED))?
        .scope(Scope::from_all(ASKED))?
        .handle_access(AccessNet::BindTcp)?;
    if !matches!(policy.connects, Connects::Anywhere(_)) {
        rules = rules.handle_access(AccessNet::ConnectTcp)?;
    }
    // no_new_privs is set before, and setting it again isn't in the filter.
    let mut rules = rules.create()?.no_new_privs(false);
    if let Connects::Ports(ports) = policy.connects {
        for (port, _) in ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    devices(paths(rules, policy, args, kept)?, policy, found, kept)?.restrict_self()
}

fn paths(
    mut rules: RulesetCreated,
    policy: &Policy,
    args: &Common,
    kept: &mut Kept,
) -> Result<RulesetCreated, RulesetError> {
    let root = args.root();
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(ASKED)
        & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev);
    let execute = AccessFs::Execute | AccessFs::ReadFile;

    for grant in COMMON_READS.iter().chain(policy.reads) {
        rules = add_below(rules, &root, grant.what, read, kept)?;
    }
    for grant in policy.writes {
        rules = add_below(rules, &root, grant.what, write, kept)?;
    }
    for grant in policy.executes {
        rules = add(rules, Path::new(grant.what), execute, kept)?;
    }
    if !policy.executes.is_empty() {
        // The machine's own, also for who works below a scratch root.
        for grant in TOOL_READS {
            rules = add(rules, Path::new(grant.what), read, kept)?;
        }
        for grant in TOOL_LOADERS {
            rules = add(rules, Path::new(grant.what), execute, kept)?;
        }
    }
    Ok(rules)
}

fn devices(
    mut rules: RulesetCreated,
    policy: &Policy,
    found: Option<&[PathBuf]>,
    kept: &mut Kept,
) -> Result<RulesetCreated, RulesetError> {
    for device in policy.devices {
        rules = match (device.named, found) {
            (Named::Path, _) => add(rules, Path::new(device.what), opened(device), kept)?,
            (Named::Found, None) => add(rules, Path::new("/dev"), opened(device), kept)?,
            (Named::Found, Some(nodes)) => {
                nodes.iter().try_fold(rules, |rules, node| add(rules, node, opened(device), kept))?
            }
        };
    }
    Ok(rules)
}

fn opened(device: &Device) -> BitFlags<AccessFs> {
    let (read, write) = (AccessFs::ReadFile | AccessFs::IoctlDev, AccessFs::WriteFile | AccessFs::IoctlDev);
    match device.access {
        Opened::Read => read,
        Opened::Write => write,
        Opened::ReadWrite => read | write,
    }
}

/// A path that doesn't exist needs no rule: there is nothing to open.
fn add(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    kept: &mut Kept,
) -> Result<RulesetCreated, RulesetError> {
    add_opened(rules, path, open(path), access, kept)
}

/// ... of the tree that the program works on. What lies below the agent's folders is its programs': no link that one of them
/// has put there widens what another may open.
fn add_below(
    rules: RulesetCreated,
    root: &Root,
    what: &str,
    access: BitFlags<AccessFs>,
    kept: &mut Kept,
) -> Result<RulesetCreated, RulesetError> {
    let path = root.path(what);
    let ours = [STATE_PATH, RUNTIME_PATH]
        .into_iter()
        .find_map(|folder| Some((root.path(folder), Path::new(what).strip_prefix(folder).ok()?)));
    let opened = match ours {
        Some((folder, below)) => open(&folder).and_then(|folder| open_without_links(folder, below)),
        None => open(&path),
    };
    add_opened(rules, &path, opened, access, kept)
}

fn open(path: &Path) -> nix::Result<OwnedFd> {
    openat(AT_FDCWD, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// A link in a path ends it: what follows is in no folder, and a link itself is nothing that a rule could be for.
fn open_without_links(folder: OwnedFd, below: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    below.iter().try_fold(folder, |folder, name| openat(&folder, name, flags, Mode::empty()))
}

fn add_opened(
    rules: RulesetCreated,
    path: &Path,
    opened: nix::Result<OwnedFd>,
    access: BitFlags<AccessFs>,
    kept: &mut Kept,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(descriptor) = opened else { return Ok(rules) };
    let kind = fstat(&descriptor)
        .map_or(SFlag::S_IFLNK, |meta| SFlag::from_bits_truncate(meta.st_mode) & SFlag::S_IFMT);
    if kind == SFlag::S_IFLNK {
        return Ok(rules);
    }
    let access = if kind == SFlag::S_IFDIR { access } else { access & AccessFs::from_file(ASKED) };
    let rules = rules.add_rule(PathBeneath::new(&descriptor, access))?;
    if path.starts_with("/proc") {
        kept.push(Arc::new(descriptor));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions, read};
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;
    use waagent_declaration::grant;

    const NAME: &str = "/proc/sys/kernel/ostype";
    const POLICY: Policy = Policy {
        program: "test",
        reads: &[grant(NAME, "test: a name that the kernel may forget")],
        ..Policy::NOTHING
    };

    /// Landlock holds for the calling thread: this test's own.
    #[test]
    fn a_name_of_procfs_is_open_after_the_kernel_forgot_it() {
        let Ok(mut caches) = OpenOptions::new().write(true).open("/proc/sys/vm/drop_caches") else {
            return; // without root nothing can be forgotten
        };
        let args = Common { policy: false, configuration_path: None, root: PathBuf::from("/") };
        let (mut kept, mut shortfalls) = (Vec::new(), Vec::new());
        restrict(&POLICY, &args, None, &mut kept, &mut shortfalls);
        assert_eq!(shortfalls, Vec::<String>::new());
        assert!(read(NAME).is_ok());
        caches.write_all(b"2\n").unwrap();
        assert!(read(NAME).is_ok(), "the rule was lost with the old inode");
        assert!(File::open("/proc/sys/kernel/osrelease").is_err() || !is_in_force());
    }

    /// What a program that was taken over puts into its own folder is no grant for those that read there.
    #[test]
    fn a_link_below_the_agents_folders_grants_nothing() {
        const PACKAGES: &str = "/var/lib/waagent/fetch/packages";
        const READER: Policy = Policy { reads: &[grant(PACKAGES, "test: packages")], ..POLICY };
        let is_read = |make: fn(&std::path::Path, &std::path::Path)| {
            let scratch = tempfile::tempdir().unwrap();
            let (packages, secret) = (scratch.path().join(&PACKAGES[1..]), scratch.path().join("secret"));
            std::fs::create_dir_all(packages.parent().unwrap()).unwrap();
            std::fs::create_dir(&secret).unwrap();
            std::fs::write(secret.join("file"), "x").unwrap();
            make(&packages, &secret);
            let root = scratch.path().to_owned();
            let reader = move || {
                let args = Common { policy: false, configuration_path: None, root };
                let (mut kept, mut shortfalls) = (Vec::new(), Vec::new());
                restrict(&READER, &args, None, &mut kept, &mut shortfalls);
                read(packages.join("file")).is_ok()
            };
            std::thread::spawn(reader).join().unwrap()
        };
        assert!(is_read(|packages, secret| std::fs::rename(secret, packages).unwrap()));
        assert!(is_read(|packages, secret| {
            // A link above them is the administrator's: a state folder on another disk.
            let folder = packages.ancestors().nth(2).unwrap();
            std::fs::rename(secret, packages).unwrap();
            std::fs::rename(folder, folder.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(folder.with_extension("moved"), folder).unwrap();
        }));
        let links: [fn(&std::path::Path, &std::path::Path); 2] = [
            |packages, secret| std::os::unix::fs::symlink(secret, packages).unwrap(),
            |packages, secret| {
                let fetch = packages.parent().unwrap();
                std::fs::remove_dir(fetch).unwrap();
                std::fs::rename(secret, secret.with_file_name("packages")).unwrap();
                std::os::unix::fs::symlink(secret.parent().unwrap(), fetch).unwrap();
            },
        ];
        for link in links {
            assert!(!is_read(link) || !is_in_force());
        }
    }

    fn is_in_force() -> bool {
        std::fs::metadata("/sys/kernel/security/lsm").is_err()
            || std::fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|lsm| lsm.contains("landlock"))
    }
}
