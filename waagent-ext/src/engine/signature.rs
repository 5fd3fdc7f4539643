//! Where packages must be signed: before one is asked for, before it is unpacked, before one of its commands is run.

use std::fs::File;

use waagent_common::config::TextKey;
use waagent_common::documents::{CommandKind, Extension, HandlerRecord, PackageSignature, SignatureVerdict};
use waagent_common::log;
use waagent_common::types::Sha256;

use super::Engine;
use crate::error::{ExtensionError, code};
use crate::handler::paths::HandlerPaths;
use crate::package::signature::{self, Judgement, Trust};
use crate::plan::step::Step;

impl Engine<'_> {
    /// May this step be taken, as far as signatures go? What is there may always be disabled and removed.
    pub(super) fn is_signed_enough(
        &self,
        extension: &Extension,
        record: &HandlerRecord,
        step: &Step,
    ) -> Result<(), ExtensionError> {
        if !self.admission.demands_signature(&extension.name) {
            return Ok(());
        }
        let is_verified = || {
            let signature = record.signature.as_ref();
            signature.is_some_and(|signature| signature.verdict == SignatureVerdict::Verified)
        };
        match step {
            Step::Unpack if extension.encoded_signature.is_none() => Err(refusal(MISSING)),
            Step::Run(CommandKind::Install | CommandKind::Update | CommandKind::Enable) if !is_verified() => {
                Err(refusal(UNKNOWN))
            }
            _ => Ok(()),
        }
    }

    /// Judges our copy of a package. One that isn't what was signed is the extension's failure, if the configuration doesn't
    /// say otherwise; where a signature is demanded, so is one that doesn't hold for another reason.
    pub(super) fn judge(
        &self,
        extension: &Extension,
        archive: &File,
        digest: &Sha256,
        home: &HandlerPaths,
    ) -> Result<PackageSignature, ExtensionError> {
        let trust = Trust::read(self.root, self.config);
        let Judgement { signature: found, is_contradicted } =
            signature::judge(archive, digest, extension, trust, &self.settings.limits)?;
        let why = found.why.as_deref().unwrap_or(MISSING);
        match found.verdict {
            SignatureVerdict::Verified => {
                let name = home.full_name();
                log::info(&format!("Successfully validated signature for package '{name}'"));
            }
            _ if self.admission.demands_signature(&extension.name) => return Err(refusal(why)),
            _ if is_contradicted && self.config.text(TextKey::ExtensionsBadSignature) == "refuse" => {
                return Err(refusal(&format!("{why}; {BAD}")));
            }
            SignatureVerdict::Refused => log::warning(&format!("[{}] {why}, ignoring", home.full_name())),
            SignatureVerdict::Absent => {}
        }
        Ok(found)
    }
}

fn refusal(why: &str) -> ExtensionError {
    ExtensionError::new(code::PACKAGE_EXTRACTION, "Download", why).overriding()
}

const MISSING: &str = "package signature required by policy but the goal state has none";
const BAD: &str = "somebody has changed the package, or its signature; Extensions.BadSignature=warn installs it all the same";
const UNKNOWN: &str = "package signature required by policy but that of the installed package was never verified; remove the \
                       extension and add it again";
