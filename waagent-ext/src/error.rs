//! Why an extension fails: the number and the text that the platform is told.

use waagent_common::documents::CommandKind;
use waagent_common::secret::redact_uris;
use waagent_common::text::cut;

/// Longest text that goes out, in bytes: command line and output are within it.
const MAX_TEXT: usize = 8 << 10;

/// Error numbers that the platform knows (WALinuxAgent, `ExtensionErrorCodes`).
pub mod code {
    /// Everything that has no number of its own.
    pub(crate) const UNKNOWN: i32 = -1;
    /// A command without a number of its own failed: uninstall.
    pub(crate) const PROCESSING: i32 = 1000;
    /// The list of packages couldn't be had.
    pub(crate) const MANIFEST_DOWNLOAD: i32 = 1001;
    /// The package holds no `HandlerManifest.json`.
    pub(crate) const MANIFEST_MISSING: i32 = 1002;
    /// `HandlerManifest.json` isn't what it should be.
    pub(crate) const MANIFEST_INVALID: i32 = 1003;
    /// The package couldn't be had.
    pub(crate) const PACKAGE_DOWNLOAD: i32 = 1004;
    /// The package couldn't be unpacked.
    pub(crate) const PACKAGE_EXTRACTION: i32 = 1005;
    /// The install command failed.
    pub(crate) const INSTALL: i32 = 1007;
    /// The update failed.
    pub(crate) const UPDATE: i32 = 1008;
    /// The enable command failed; the extension isn't allowed.
    pub(crate) const ENABLE: i32 = 1009;
    /// The disable command failed; a removal isn't allowed.
    pub(crate) const DISABLE: i32 = 1010;
    /// A command's time was up.
    pub(crate) const TIMED_OUT: i32 = 1011;
    /// A status file isn't what it should be.
    pub(crate) const STATUS_INVALID: i32 = 1012;
}

/// An extension's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionError {
    /// Number.
    pub(crate) code: i32,
    /// For people; signatures cut, no control characters but newline and tab.
    pub text: String,
    /// The step, in the platform's words.
    pub(crate) operation: &'static str,
    /// Does it hide what the extension's own status file says?
    pub(crate) overrides: bool,
}

impl ExtensionError {
    /// A failure of this step.
    pub(crate) fn new(code: i32, operation: &'static str, text: impl AsRef<str>) -> Self {
        Self { code, text: fit(text.as_ref()), operation, overrides: false }
    }

    /// A failure that hides the extension's own status: it isn't allowed to be.
    #[must_use]
    pub(crate) fn overriding(mut self) -> Self {
        self.overrides = true;
        self
    }

    /// The same with more text.
    #[must_use]
    pub(crate) fn with(mut self, note: &str) -> Self {
        self.text = fit(&format!("{}; {note}", self.text));
        self
    }
}

/// The number of a command's failure.
pub(crate) fn code_of(kind: CommandKind) -> i32 {
    match kind {
        CommandKind::Install => code::INSTALL,
        CommandKind::Update => code::UPDATE,
        CommandKind::Enable => code::ENABLE,
        CommandKind::Disable => code::DISABLE,
        _ => code::PROCESSING,
    }
}

/// The platform's word for a command.
pub(crate) fn operation_of(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Install => "Install",
        CommandKind::Update => "Update",
        CommandKind::Enable => "Enable",
        CommandKind::Disable => "Disable",
        CommandKind::Uninstall => "UnInstall",
        _ => "ExtensionProcessing",
    }
}

/// Foreign text made fit for the status: signatures cut, control characters dropped, bounded.
pub(crate) fn fit(text: &str) -> String {
    let clean: String =
        redact_uris(text).chars().filter(|c| !c.is_control() || "\n\t".contains(*c)).collect();
    cut(&clean, MAX_TEXT).to_owned()
}
