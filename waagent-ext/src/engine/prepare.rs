//! What a handler must find before its first command of a goal state run: folders, environment, settings, certificates.

use waagent_common::command::noexec;
use waagent_common::documents::{CommandKind, Extension, ForeignKind};
use waagent_common::fault::Fault;
use waagent_common::log;

use super::{Engine, WaitReason};
use crate::error::{ExtensionError, code};
use crate::exec_mount;
use crate::handler::paths::HandlerPaths;
use crate::handler::{carry_over, certificates, handler_files};
use crate::inputs::Certificate;

impl Engine<'_> {
    /// Prepares the wanted version once in a goal state run; says what it waits for, if it does.
    pub(super) fn prepare(
        &mut self,
        extension: &Extension,
        home: &HandlerPaths,
    ) -> Result<Option<WaitReason>, ExtensionError> {
        if self.prepared.contains(&extension.name) {
            return Ok(None);
        }
        match self.known.certificate(extension) {
            Certificate::There => {}
            Certificate::Awaited(left) => return Ok(Some(WaitReason::Certificate(home.full_name(), left))),
            Certificate::Missing(why) => {
                log::warning(&format!("[{}] {why}, going on without it", home.full_name()));
                if let Some(item) = self.item_mut(&extension.name) {
                    item.note = Some(why);
                }
            }
        }
        let mount = noexec::mount_of(home.base()).filter(|_| !exec_mount::is_asked(self.root));
        if let Some(mount) = mount {
            log::warning(&format!(
                "[{}] '{mount}' is mounted noexec: the handler's commands can't start; set Extensions.ExecMount=y, \
                 going on",
                home.full_name()
            ));
        }
        let failed = |fault: Fault| {
            ExtensionError::new(
                code::UNKNOWN,
                "ExtensionProcessing",
                format!("Failed to update settings file: {fault}"),
            )
        };
        self.link_certificates();
        handler_files::prepare(home).map_err(failed)?;
        let settings = extension.settings.first();
        let known = self.known.certificates.as_ref().map(|document| &document.body);
        let thumbprint = settings
            .and_then(|settings| settings.protected_settings_thumbprint.as_deref())
            .map(|received| certificates::spelling(received, known));
        let number = settings.map_or_else(String::new, |settings| settings.sequence_number.to_string());
        self.guard
            .work(home.bytes(ForeignKind::Settings, number), || {
                handler_files::write_settings(home, settings, thumbprint.as_deref())
            })
            .and_then(|written| written)
            .map_err(failed)?;
        log::info(&format!("[{}] Update settings file", home.full_name()));
        self.prepared.insert(extension.name.clone());
        Ok(None)
    }

    /// Before the update command the new folder takes over how far the old one was.
    pub(super) fn carry_over(
        &self,
        kind: CommandKind,
        old: Option<&HandlerPaths>,
        new: &HandlerPaths,
    ) -> Result<(), ExtensionError> {
        let (CommandKind::Update, Some(old)) = (kind, old) else { return Ok(()) };
        let failed = |fault: Fault| {
            ExtensionError::new(code::UNKNOWN, "Update", format!("[ExtensionUpdateError] {fault}"))
        };
        let input = old.bytes(ForeignKind::Carried, format!("for {}", new.version));
        let carried = self.guard.work(input, || carry_over::over(&old.open()?, &new.open()?));
        carried.and_then(|done| done).map_err(failed)
    }
}
