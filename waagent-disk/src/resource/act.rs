//! Carries the decision out.

use std::path::Path;

use anyhow::Result;
use waagent_common::documents::{DiskPhase, DiskState, ResourceDisk};
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use super::attempt::Begun;
use super::decide::Decision;
use super::disk::{Child, Disk};
use super::file_system::FileSystem;
use super::flags::Flag;
use super::prepare::{self, Prepared};
use super::wanted::{MOUNT_POINT, Wanted};
use super::{check, finish, kernel, mounts, owner, warning_file};

/// What else the work needs to know.
#[derive(Debug)]
pub struct Work<'a> {
    /// Where the agent's files are.
    pub root: &'a Root,
    /// For documents.
    pub sandbox: &'a Sandbox,
    /// What the configuration asks for.
    pub wanted: &'a Wanted,
    /// `--mounted`: PID 1 has mounted.
    pub is_mounted: bool,
}

impl Work<'_> {
    /// Does what was decided, fills the document, returns the result line.
    pub fn act(&self, disk: &Disk, decision: &Decision, body: &mut ResourceDisk) -> Result<String> {
        let left = |state, why: &str, body: &mut ResourceDisk| {
            body.state = state;
            why.clone_into(&mut body.reason);
            Ok(format!("left '{}' alone: {why}", disk.name))
        };
        match decision {
            Decision::Mounted { point, file_system } if *point == self.root.path(MOUNT_POINT) => {
                finish::finish(self.root, disk, self.wanted, file_system, body)
            }
            Decision::Mounted { point, file_system } => {
                let why = format!("somebody else mounted it at '{}'", point.display());
                body.filesystem = Some(file_system.clone());
                body.mount_point = Some(point.display().to_string());
                left(DiskState::Mounted, &why, body)
            }
            Decision::Busy(why) => left(DiskState::Busy, why, body),
            Decision::Foreign(why) => left(DiskState::Foreign, why, body),
            Decision::Format(_) | Decision::Mount { .. } if self.is_mounted => {
                let text =
                    format!("'{}' isn't mounted at '{MOUNT_POINT}'; start mnt-resource.mount", disk.name);
                Err(Fault::new(Exit::TryAgain, text).into())
            }
            Decision::Format(blank) => {
                if let Some((state, why)) = self.unfit_mount_point()? {
                    return left(state, &why, body);
                }
                let own = Begun { reason: blank.why().to_owned(), evidence: body.evidence.clone() };
                Begun { reason: body.reason, evidence: body.evidence } = disk.attempt.begin(own);
                let prepared = prepare::prepare(self.root, self.sandbox, disk, blank, &body.reason)?;
                Ok(self.ask_for_mount(disk, prepared, blank.maker().file_system, body))
            }
            Decision::Mount { part, uuid, why } => {
                if let Some((state, why)) = self.unfit_mount_point()? {
                    return left(state, &why, body);
                }
                let child = kernel::know(disk, part)?;
                if let Some(line) = owner::in_fstab(self.root, Some(&[child.number])) {
                    body.managed_by = Some(format!("fstab: {line}"));
                    return left(DiskState::ManagedBy, "fstab has it", body);
                }
                let region = disk.region(part.start, part.length);
                if let Some(damage) = check::check(&region, &child, self.wanted.file_system)? {
                    return left(DiskState::Damaged, &damage, body);
                }
                body.reason.clone_from(why);
                let prepared = Prepared { child, uuid: uuid.clone() };
                Ok(self.ask_for_mount(disk, prepared, self.wanted.file_system, body))
            }
        }
    }

    fn ask_for_mount(
        &self,
        disk: &Disk,
        made: Prepared,
        file_system: FileSystem,
        body: &mut ResourceDisk,
    ) -> String {
        body.state = DiskState::Prepared;
        body.phase = DiskPhase::Prepared;
        body.filesystem = Some(file_system.to_string());
        body.uuid = made.uuid;
        body.mount_point = Some(MOUNT_POINT.to_owned());
        body.mount_options.clone_from(&self.wanted.options);
        body.partition = Some(Child::describe(&made.child));
        let said = format!("'{}' is ready ({file_system}, {})", made.child.name, body.reason);
        format!("{said}; asked for the mount of '{}' at '{MOUNT_POINT}'", disk.name)
    }

    /// Is something there that a mount would hide, or that would lead it elsewhere?
    fn unfit_mount_point(&self) -> Result<Option<(DiskState, String)>, Fault> {
        let point = self.root.path(MOUNT_POINT);
        let all = mounts::all()?;
        if let Some(mount) = mounts::at(&all, &point) {
            let why = format!("'{}' is taken by '{}'", point.display(), mount.source);
            return Ok(Some((DiskState::Busy, why)));
        }
        let refuse = |why: &str| Fault::new(Exit::Os, format!("cannot use '{}': {why}", point.display()));
        let root = self.root.root().canonicalize().map_err(|e| refuse(&e.to_string()))?;
        let expected = root.join(MOUNT_POINT.trim_start_matches('/'));
        match point.canonicalize() {
            // PID 1 makes it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(&error.to_string())),
            Ok(real) if real != expected => {
                return Err(refuse("there is a symbolic link in it; remove that"));
            }
            Ok(_) => {}
        }
        let hidden = names(&point).map_err(|e| refuse(&e.to_string()))?;
        let why = || format!("'{MOUNT_POINT}' isn't empty: {}", hidden.join(", "));
        Ok((!hidden.is_empty()).then(|| (DiskState::MountPointNotEmpty, why())))
    }
}

/// Up to five names of what a mount would hide.
fn names(point: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(point)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != warning_file::NAME && name != "lost+found" && names.len() < 5 {
            names.push(waagent_common::text::shown(&name));
        }
    }
    names.sort();
    Ok(names)
}

/// The flag comes after the document: who sees it finds there what to mount.
pub fn raise_flag(root: &Root, body: &ResourceDisk) -> Result<(), Fault> {
    if body.state == DiskState::Prepared { Flag::Mount.raise(root, &body.reason) } else { Ok(()) }
}

/// What a run before has asked for, this one asks for anew, or not at all.
pub fn lower_flags(root: &Root) -> Result<(), Fault> {
    Flag::Mount.lower(root)?;
    Flag::Swap.lower(root)
}
