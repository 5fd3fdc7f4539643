//! `HandlerManifest.json`: what a handler's commands are, and what it wants of an update.

use serde_json::Value;
use waagent_common::documents::{CommandKind, Extension, ForeignKind};
use waagent_common::fault::Fault;
use waagent_common::json;
use waagent_common::text::shown;

use super::paths::HandlerPaths;
use crate::crash_guard::{Guard, stamp};
use crate::error::{ExtensionError, code, operation_of};

/// Largest manifest that is read, in bytes.
pub(crate) const MAX: u64 = 1 << 20;
/// Deepest manifest that is taken.
const MAX_DEPTH: usize = 32;
/// Its name, in the package and in the handler's folder.
pub(crate) const FILE: &str = "HandlerManifest.json";

/// A manifest that is an array with a `handlerManifest` in it; each command is looked at when it is to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest(Value);

impl Manifest {
    /// Reads the manifest in the handler's folder. It is read again for each command: people edit it in place.
    pub(crate) fn read(home: &HandlerPaths, guard: &Guard<'_>) -> Result<Self, ExtensionError> {
        let path = home.base().join(FILE);
        let trouble = |code, why: &str| {
            ExtensionError::new(
                code,
                "ExtensionProcessing",
                format!("cannot use '{}': {why}", path.display()),
            )
        };
        let folder = home.open().map_err(|fault| trouble(code::MANIFEST_MISSING, &fault.text))?;
        let missing = |error: std::io::Error| trouble(code::MANIFEST_MISSING, &error.to_string());
        let file = folder.look(FILE).map_err(missing)?;
        let work = || {
            let (bytes, _) = folder.read(FILE, MAX).map_err(missing)?;
            Self::parse(&bytes).map_err(|fault| trouble(code::MANIFEST_INVALID, &fault.text))
        };
        guard
            .work(home.bytes(ForeignKind::Manifest, stamp(&file)), work)
            .unwrap_or_else(|fault| Err(trouble(code::MANIFEST_INVALID, &fault.text)))
    }

    /// Takes the first element of the array, as all agents do.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let value: Value = json::read(bytes, MAX_DEPTH).map_err(|error| Fault::data(error.to_string()))?;
        let Value::Array(elements) = value else { return Err(Fault::data("not an array")) };
        let mut first = elements.into_iter().next().ok_or_else(|| Fault::data("an empty array"))?;
        let manifest =
            first.get_mut("handlerManifest").ok_or_else(|| Fault::data("[0].handlerManifest: missing"))?;
        if manifest.is_object() {
            Ok(Self(manifest.take()))
        } else {
            Err(Fault::data("[0].handlerManifest: not an object"))
        }
    }

    /// The command line for this kind, below the handler's folder.
    pub(crate) fn command(&self, kind: CommandKind) -> Result<&str, ExtensionError> {
        let key = match kind {
            CommandKind::Install => "installCommand",
            CommandKind::Update => "updateCommand",
            CommandKind::Enable => "enableCommand",
            CommandKind::Disable => "disableCommand",
            _ => "uninstallCommand",
        };
        let refuse = |why: &str| {
            let text = format!("{FILE}: [0].handlerManifest.{key}: {why}");
            ExtensionError::new(code::MANIFEST_INVALID, operation_of(kind), text)
        };
        match self.0.get(key) {
            None => Err(refuse("missing")),
            Some(Value::String(command)) if command.trim_matches('/').is_empty() => Err(refuse("empty")),
            Some(Value::String(command)) if command.len() > 16 << 10 => Err(refuse("longer than 16 KiB")),
            Some(Value::String(command)) if command.contains('\0') => Err(refuse("holds a NUL")),
            Some(Value::String(command)) => Ok(command),
            Some(_) => Err(refuse("not a string")),
        }
    }

    /// Does the handler write a heartbeat file?
    pub(crate) fn reports_heartbeat(&self) -> bool {
        self.flag("reportHeartbeat")
    }

    /// Does a failure of the old version's commands stop an update?
    pub(crate) fn continues_on_update_failure(&self) -> bool {
        self.flag("continueOnUpdateFailure")
    }

    /// Is the install command run after the update command? Only this word, or none, says yes.
    pub(crate) fn installs_on_update(&self) -> bool {
        match self.0.get("updateMode") {
            Some(Value::String(mode)) => mode.eq_ignore_ascii_case("UpdateWithInstall"),
            _ => true,
        }
    }

    /// `true`, or the text "true" in any case: published manifests have both.
    fn flag(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }
}

/// Do these bytes of a signed package say that it is this handler in this version? The case of letters is none.
pub(crate) fn is_signed_for(bytes: &[u8], extension: &Extension) -> Result<(), Fault> {
    let value: Value =
        json::read(bytes, MAX_DEPTH).map_err(|error| Fault::data(format!("{FILE}: {error}")))?;
    let info = value.get(0).and_then(|first| first.get("signingInfo"));
    let (publisher, kind) = extension.name.as_str().rsplit_once('.').unwrap_or(("", extension.name.as_str()));
    for (key, expected) in [("type", kind), ("publisher", publisher), ("version", extension.version.as_str())]
    {
        let found = info.and_then(|info| info.get(key)).and_then(Value::as_str);
        if !found.is_some_and(|found| found.eq_ignore_ascii_case(expected)) {
            let found = shown(found.unwrap_or("missing"));
            return Err(Fault::data(format!("{FILE} signingInfo.{key} is '{found}', expected '{expected}'")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(members: &str) -> Manifest {
        Manifest::parse(format!("\u{feff}[{{\"handlerManifest\": {{{members}}}}}, 5]").as_bytes()).unwrap()
    }

    #[test]
    fn takes_what_publishers_write() {
        let manifest = with(
            r#""installCommand": "bin/x install", "reportHeartbeat": "TRUE", "continueOnUpdateFailure": 1,
               "updateMode": [], "rebootAfterInstall": false"#,
        );
        assert_eq!(manifest.command(CommandKind::Install), Ok("bin/x install"));
        assert!(manifest.reports_heartbeat());
        assert!(!manifest.continues_on_update_failure());
        assert!(manifest.installs_on_update());
        assert!(!with(r#""updateMode": "UpdateWithoutInstall""#).installs_on_update());
        assert!(with(r#""updateMode": "updatewithinstall""#).installs_on_update());
    }

    #[test]
    fn a_missing_command_is_an_error_only_when_it_is_to_run() {
        let manifest =
            with(r#""installCommand": "x", "enableCommand": 5, "disableCommand": "", "updateCommand": "/""#);
        assert!(manifest.command(CommandKind::Install).is_ok());
        for (kind, why) in [
            (CommandKind::Enable, "enableCommand: not a string"),
            (CommandKind::Disable, "disableCommand: empty"),
            (CommandKind::Update, "updateCommand: empty"),
            (CommandKind::Uninstall, "uninstallCommand: missing"),
        ] {
            let trouble = manifest.command(kind).unwrap_err();
            assert_eq!(trouble.code, code::MANIFEST_INVALID);
            assert!(trouble.text.contains(why), "{}", trouble.text);
        }
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        let deep = format!("[{{\"handlerManifest\": {{\"a\": {}1{}}}}}]", "[".repeat(60), "]".repeat(60));
        let utf16: Vec<u8> = "[{}]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [&[u8]; 10] = [
            b"",
            b"{}",
            b"[]",
            b"[null]",
            b"null",
            b"[{\"handlerManifest\": null}]",
            b"[{\"handlerManifest\": 5}]",
            b"\0\0",
            deep.as_bytes(),
            &utf16,
        ];
        for case in cases {
            assert!(Manifest::parse(case).is_err(), "{}", String::from_utf8_lossy(case));
        }
        let bomb = "[".repeat(100_000);
        assert!(Manifest::parse(bomb.as_bytes()).is_err());
    }
}
