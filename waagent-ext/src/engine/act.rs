//! One step of one handler.

use anyhow::Result;
use waagent_common::documents::{
    Body, CommandKind, Document, Extension, ExtensionFailure, ForeignKind, HandlerReadiness, HandlerState,
    HandlerStatus, ItemState, Package, PackageSignature, PackageState, SignatureVerdict,
};
use waagent_common::log;
use waagent_common::resident;
use waagent_common::types::{HandlerName, HandlerVersion};

use super::{ENDING, Engine, WaitReason};
use crate::error::{ExtensionError, code};
use crate::handler::adopt;
use crate::handler::handler_files;
use crate::handler::manifest::Manifest;
use crate::handler::paths::HandlerPaths;
use crate::package::{copy, unpack};
use crate::plan::align::{align, fresh, status};
use crate::plan::step::{Step, next, target_state_of};
use crate::status::read;

impl Engine<'_> {
    /// The next step of the handler at this place of the order; says what it waits for, if it does.
    pub(super) fn act(&mut self, index: usize) -> Result<Option<WaitReason>> {
        let item = self.state.goal_state_run.as_ref().and_then(|run| run.items.get(index));
        let Some(extension) = item.and_then(|item| self.extension(&item.name)).cloned() else {
            // The document was replaced by one of the same id without this handler.
            self.settle(index, ItemState::Skipped);
            return Ok(None);
        };
        match self.step(&extension) {
            Ok(rest) => Ok(rest),
            // Broken off, it isn't the extension's failure; what is will be met again.
            Err(Stop::ExtensionError(_)) if resident::must_end() => {
                Ok(Some(WaitReason::Idle(ENDING.to_owned())))
            }
            Err(Stop::ExtensionError(trouble)) => {
                self.fail(&extension.name, trouble, None);
                Ok(None)
            }
            Err(Stop::Fatal(error)) => Err(error),
        }
    }

    fn step(&mut self, extension: &Extension) -> Result<Option<WaitReason>, Stop> {
        let target_state = target_state_of(extension);
        self.verdict_of(extension)?;
        let target_state = target_state?;
        let name = &extension.name;
        if self.record(name).is_none() {
            self.state.handlers.push(fresh(extension, adopt::installed(self.root, name)));
        }
        let Some(record) = self.record_mut(name) else { return Ok(None) };
        if let Some(stale) = align(record, target_state, &extension.version) {
            let home = self.home(name, &stale);
            self.remove_folder(&home);
        }
        let Some(record) = self.record(name) else { return Ok(None) };
        let step = next(target_state, record);
        self.is_signed_enough(extension, record, &step)?;
        match step {
            Step::Unpack => self.unpack(extension),
            Step::Run(kind) => self.run(extension, kind, &record.version.clone()),
            Step::RunOld(kind, version) => self.run(extension, kind, &version),
            Step::DropOld(version) => self.replace(extension, &version),
            Step::Remove => {
                self.remove(name);
                Ok(None)
            }
            Step::Finish => {
                self.kept_disabled(name);
                self.done(name);
                Ok(None)
            }
        }
    }

    /// Unpacks the package if it is there. What can't be had or unpacked is asked for anew in the next goal state run.
    fn unpack(&mut self, extension: &Extension) -> Result<Option<WaitReason>, Stop> {
        let Some(record) = self.record(&extension.name) else { return Ok(None) };
        let home = self.home(&record.name, &record.version);
        let (attempt, keep) = (record.attempt, record.state == HandlerState::FailedUpgrade);
        let path = self
            .root
            .path(Package::PATH)
            .join(format!("{}.json", Package::stem(&extension.name, &extension.version)));
        let unpacked = match Document::<Package>::read_at_if_there(self.root, &path) {
            Ok(None) => return Ok(Some(WaitReason::Package(home.full_name()))),
            Ok(Some(package)) if package.body.attempt < attempt => {
                return Ok(Some(WaitReason::Package(home.full_name())));
            }
            Ok(Some(package)) => {
                had(&package.body).and_then(|()| self.unpack_guarded(extension, &package, &home, keep))
            }
            Err(fault) => Err(not_had(code::PACKAGE_DOWNLOAD, &fault.text)),
        };
        let Some(record) = self.record_mut(&extension.name) else { return Ok(None) };
        match unpacked {
            Ok(signature) => {
                record.state = HandlerState::Unpacked;
                record.package_sha256 = Some(signature.sha256.clone());
                record.signature = Some(signature);
                log::info(&format!("[{}] Unpack extension package", home.full_name()));
                // Unpacked again, its files would be others than those that may have ended the last run.
                self.save()?;
                Ok(None)
            }
            Err(trouble) => {
                if resident::must_end() {
                    return Err(trouble.into());
                }
                record.attempt = record.attempt.saturating_add(1);
                Err(trouble.into())
            }
        }
    }

    /// What is to be unpacked may be what ended the last run.
    fn unpack_guarded(
        &self,
        extension: &Extension,
        package: &Document<Package>,
        home: &HandlerPaths,
        keep: bool,
    ) -> Result<PackageSignature, ExtensionError> {
        let stamp = package.body.sha256.as_ref().map_or_else(String::new, ToString::to_string);
        let input = home.bytes(ForeignKind::Package, stamp);
        self.guard.work(input, || self.unpack_fetched(extension, package, home, keep)).unwrap_or_else(
            |fault| {
                let text = format!("Failed to download artifacts: [ExtensionDownloadError] {fault}");
                Err(ExtensionError::new(code::PACKAGE_EXTRACTION, "Download", text))
            },
        )
    }

    /// One copy is taken of what was fetched: its signature is checked, and it is what is unpacked.
    fn unpack_fetched(
        &self,
        extension: &Extension,
        package: &Document<Package>,
        home: &HandlerPaths,
        keep: bool,
    ) -> Result<PackageSignature, ExtensionError> {
        let limits = &self.settings.limits;
        let (archive, digest) = copy::take(self.root, package, limits)
            .map_err(|fault| not_had(code::PACKAGE_DOWNLOAD, &fault.text))?;
        let signature = self.judge(extension, &archive, &digest, home)?;
        unpack::unpack(&archive, home, limits, keep)?;
        if signature.verdict == SignatureVerdict::Verified
            && let Err(fault) = handler_files::mark_validated(home)
        {
            log::warning(&format!("{fault}, ignoring"));
        }
        Ok(signature)
    }

    /// The old version of an update is uninstalled: its folder goes, the new one takes its place.
    fn replace(&mut self, extension: &Extension, old: &HandlerVersion) -> Result<Option<WaitReason>, Stop> {
        let old = self.home(&extension.name, old);
        self.remove_folder(&old);
        let installs = match self.record(&extension.name) {
            Some(record) => {
                Manifest::read(&self.home(&record.name, &record.version), &self.guard)?.installs_on_update()
            }
            None => return Ok(None),
        };
        if let Some(record) = self.record_mut(&extension.name) {
            record.previous = None;
            record.state = if installs { HandlerState::Unpacked } else { HandlerState::Installed };
            record.status = status(HandlerReadiness::NotReady, "Plugin installed but not enabled");
        }
        self.mark(&extension.name);
        Ok(None)
    }

    /// An update that failed or was broken off had disabled the version that is kept: nothing of it is told any more.
    fn kept_disabled(&mut self, name: &HandlerName) {
        if let Some(record) = self.record_mut(name)
            && record.state == HandlerState::Installed
            && (record.status.status != HandlerReadiness::NotReady || record.status.code != 0)
        {
            record.status = status(HandlerReadiness::NotReady, "Plugin disabled");
        }
    }

    /// Nothing of the handler stays, but its logs.
    fn remove(&mut self, name: &HandlerName) {
        self.remove_folders(name);
        self.state.handlers.retain(|record| !super::is(&record.name, name));
        self.done(name);
    }

    /// Something it depends on failed.
    pub(super) fn skip(&mut self, index: usize, why: &str) {
        let item = self.state.goal_state_run.as_ref().and_then(|run| run.items.get(index));
        if let Some(name) = item.map(|item| item.name.clone()) {
            self.fail(&name, ExtensionError::new(code::UNKNOWN, "ExtensionProcessing", why), None);
            self.settle(index, ItemState::Skipped);
        }
    }

    /// All steps of the handler succeeded.
    pub(super) fn done(&mut self, name: &HandlerName) {
        if let Some(item) = self.item_mut(name) {
            item.state = ItemState::Done;
        }
    }

    fn settle(&mut self, index: usize, state: ItemState) {
        if let Some(item) = self.state.goal_state_run.as_mut().and_then(|run| run.items.get_mut(index)) {
            item.state = state;
        }
    }

    /// The goal state run ends here for this handler. A status that the extension itself wrote since this mark of its
    /// file (none: since now) speaks for itself.
    pub(super) fn fail(&mut self, name: &HandlerName, trouble: ExtensionError, before: Option<String>) {
        let number =
            self.extension(name).and_then(|extension| extension.settings.first()).map(|s| s.sequence_number);
        let note = self.item_mut(name).and_then(|item| {
            item.state = ItemState::Failed;
            item.note.take()
        });
        let trouble = match note {
            Some(note) => trouble.with(&note),
            None => trouble,
        };
        log::warning(&format!(
            "[{name}] {}: {}, going on with other extensions",
            trouble.operation, trouble.text
        ));
        let before = before.or_else(|| {
            let record = self.record(name)?;
            Some(read::mark(&self.home(&record.name, &record.version), number?))
        });
        if let Some(record) = self.record_mut(name) {
            record.status = HandlerStatus {
                status: HandlerReadiness::NotReady,
                code: trouble.code,
                message: trouble.text.clone(),
            };
            record.failure = Some(ExtensionFailure {
                sequence_number: number,
                code: trouble.code,
                message: trouble.text,
                operation: trouble.operation.to_owned(),
                status_before: before.filter(|_| !trouble.overrides),
                since_ms: None,
            });
        }
        self.mark(name);
    }

    /// Writes the handler's state where other tools look for it. Ours is in our own document.
    pub(super) fn mark(&self, name: &HandlerName) {
        let Some(record) = self.record(name) else { return };
        let home = self.home(&record.name, &record.version);
        if home.base().is_dir()
            && let Err(fault) = handler_files::write_marks(&home, record)
        {
            log::warning(&format!("{fault}, ignoring"));
        }
    }
}

/// Why a step ends without having been done.
pub(super) enum Stop {
    /// The extension's failure.
    ExtensionError(ExtensionError),
    /// Ours: nothing further may be done.
    Fatal(anyhow::Error),
}

impl From<ExtensionError> for Stop {
    fn from(trouble: ExtensionError) -> Self {
        Self::ExtensionError(trouble)
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Fatal(error)
    }
}

fn had(package: &Package) -> Result<(), ExtensionError> {
    let why = package.error.as_deref();
    match package.state {
        PackageState::Ready => Ok(()),
        PackageState::NoMatch => {
            let text = format!(
                "Unable to find version {} in manifest for extension {}",
                package.version, package.name
            );
            Err(ExtensionError::new(code::UNKNOWN, "Download", text))
        }
        PackageState::NoUri => Err(not_had(code::MANIFEST_DOWNLOAD, why.unwrap_or("no URI for the package"))),
        PackageState::Failed => Err(not_had(code::PACKAGE_DOWNLOAD, why.unwrap_or("no reason given"))),
    }
}

fn not_had(code: i32, why: &str) -> ExtensionError {
    ExtensionError::new(
        code,
        "Download",
        format!("Failed to download artifacts: [ExtensionDownloadError] {why}"),
    )
}

/// The kinds whose failure names the update as a whole.
pub(super) fn is_update(kind: CommandKind, old: bool) -> bool {
    old || kind == CommandKind::Update
}
