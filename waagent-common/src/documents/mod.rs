//! The documents by which the programs speak to each other.
//!
//! Every document has the same envelope: schema, writer, time, the digests of what it was made from, the sandbox that
//! its writer was in, and a typed body. A reader refuses a document that is damaged, too big, of another version,
//! of another owner, a link, or writable by others; it says which and leaves it in place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::durable;
use crate::fault::{Exit, Fault};
use crate::json;
use crate::root::Root;
use crate::sandbox::{Sandbox, SandboxReport};
use crate::text::shown;
use crate::time;
use crate::users::uid_of;

mod bounds;
pub mod catalogue;
mod certificates;
mod command;
mod crash_record;
mod cursor;
mod endpoint;
mod extension_state;
mod extension_status;
mod fetch_status;
mod firewall;
mod goal_state;
mod health;
mod media;
mod package;
mod plan;
mod provision_journal;
mod provision_reason;
mod provision_status;
mod resource_disk;
mod transport;
mod untyped;
mod uris;

pub use bounds::Bounds;
pub use certificates::*;
pub use command::*;
pub use crash_record::*;
pub use cursor::*;
pub use endpoint::*;
pub use extension_state::*;
pub use extension_status::*;
pub use fetch_status::*;
pub use firewall::*;
pub use goal_state::*;
pub use health::*;
pub use media::*;
pub use package::*;
pub use plan::*;
pub use provision_journal::*;
pub use provision_reason::*;
pub use provision_status::*;
pub use resource_disk::*;
pub use transport::*;
pub use untyped::*;
pub use uris::*;

/// What a document holds, and the facts by which a reader knows it.
pub trait Body: Serialize + DeserializeOwned + PartialEq + Clone {
    /// Schema name, without `waagent/` and the version.
    const NAME: &'static str;
    /// Schema version: another one is refused.
    const MAJOR: u32 = 1;
    /// Absolute path, or the folder where there are several.
    const PATH: &'static str;
    /// The program that writes it.
    const PROGRAM: &'static str;
    /// The user that the writer runs as.
    const WRITER: &'static str;
    /// Bound on writing and on reading, in bytes.
    const MAX_BYTES: u64 = 64 << 10;
    /// Permission bits; the group comes from the folder.
    const MODE: u32 = 0o640;

    /// Bounds on lists and texts that the types alone don't hold.
    fn bounds(&mut self, _: &mut Bounds) {}

    /// Rules other than bounds.
    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    schema: String,
    written_by: String,
    written_at: String,
    inputs: BTreeMap<String, String>,
    sandbox: SandboxReport,
    body: T,
}

/// A document that was read and found good.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<T> {
    /// What it says.
    pub body: T,
    /// Name and SHA-256 of each document and configuration it was made from.
    pub inputs: BTreeMap<String, String>,
    /// SHA-256 of the file's bytes, in lower-case hexadecimal.
    pub digest: String,
    /// When it was written; for people.
    pub written_at: String,
    /// The sandbox that its writer was in.
    pub sandbox: SandboxReport,
}

impl<T: Body> Document<T> {
    /// Reads the document at its place; a missing one is an error (66) that names its writer.
    pub fn read(root: &Root) -> Result<Self, Fault> {
        Self::read_at(root, &root.path(T::PATH))
    }

    /// Reads the document at its place, if there is one.
    pub fn read_if_there(root: &Root) -> Result<Option<Self>, Fault> {
        Self::read_at_if_there(root, &root.path(T::PATH))
    }

    /// Like [`Document::read_if_there`] for a document of which there are several.
    pub fn read_at_if_there(root: &Root, path: &Path) -> Result<Option<Self>, Fault> {
        match Self::read_at(root, path) {
            Err(fault) if fault.exit == Exit::NoInput => Ok(None),
            read => read.map(Some),
        }
    }

    /// Reads a document of which there are several.
    pub fn read_at(root: &Root, path: &Path) -> Result<Self, Fault> {
        let (bytes, owner) = durable::read_with_owner(path, T::MAX_BYTES).map_err(|mut fault| {
            if fault.exit == Exit::NoInput {
                fault.text = format!("{}; {} writes it", fault.text, T::PROGRAM);
            }
            fault
        })?;
        check_owner::<T>(root, path, owner)?;
        parse(path, &bytes)
    }

    /// Was this document made from exactly these inputs?
    pub fn is_made_from(&self, inputs: &Inputs) -> bool {
        self.inputs == inputs.0
    }
}

/// The writer's user, or root, who could be anybody; below a scratch root also the caller.
fn check_owner<T: Body>(root: &Root, path: &Path, owner: durable::Owner) -> Result<(), Fault> {
    let refuse = |why: String| {
        let text =
            format!("cannot use '{}': {why}; remove it, {} writes it again", path.display(), T::PROGRAM);
        Err(Fault::data(text))
    };
    if owner.mode & 0o022 != 0 && !(owner.mode & 0o022 == 0o020 && owner.gid == 0) {
        return refuse(format!("mode {:04o}: others may write it", owner.mode));
    }
    let own = nix::unistd::geteuid().as_raw();
    let known =
        owner.uid == 0 || uid_of(root, T::WRITER) == Some(owner.uid) || (!root.is_live() && owner.uid == own);
    if known { Ok(()) } else { refuse(format!("owner {} isn't {}", owner.uid, T::WRITER)) }
}

fn parse<T: Body>(path: &Path, bytes: &[u8]) -> Result<Document<T>, Fault> {
    let refuse = |why: &str| {
        let text =
            format!("cannot use '{}': {why}; remove it, {} writes it again", path.display(), T::PROGRAM);
        Fault::data(text)
    };
    let schema = json::read::<Schema>(bytes, json::MAX_DEPTH).map_err(|e| refuse(&e.to_string()))?;
    if schema.schema != schema_of::<T>() {
        return Err(refuse(&format!("schema '{}' isn't '{}'", shown(&schema.schema), schema_of::<T>())));
    }
    let mut envelope: Envelope<T> =
        json::read(bytes, json::MAX_DEPTH).map_err(|error| refuse(&error.to_string()))?;
    let mut bounds = Bounds::looking();
    envelope.body.bounds(&mut bounds);
    bounds.verdict().and_then(|()| envelope.body.check()).map_err(|fault| refuse(&fault.text))?;
    Ok(Document {
        body: envelope.body,
        inputs: envelope.inputs,
        digest: sha256(bytes),
        written_at: envelope.written_at,
        sandbox: envelope.sandbox,
    })
}

/// Enough of the envelope to name another version as such; everything else is looked at afterwards.
#[derive(Deserialize)]
struct Schema {
    schema: String,
}

fn schema_of<T: Body>() -> String {
    format!("waagent/{}/{}", T::NAME, T::MAJOR)
}

/// Names and digests of what a document is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A document that was read.
    #[must_use]
    pub fn document<T: Body>(self, document: &Document<T>) -> Self {
        self.digest(T::NAME, &document.digest)
    }

    /// A document that may be missing: its absence is a fact too.
    #[must_use]
    pub fn optional<T: Body>(self, document: Option<&Document<T>>) -> Self {
        self.digest(T::NAME, document.map_or("absent", |document| &document.digest))
    }

    /// Anything else: a name (`configuration`, `device` ...) and its digest.
    #[must_use]
    pub fn digest(mut self, name: &str, digest: &str) -> Self {
        self.0.insert(name.to_owned(), digest.to_owned());
        self
    }
}

/// Did writing a document change it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// New content is in place, durably.
    Changed,
    /// It said the same before; the file wasn't touched.
    Unchanged,
}

/// Writes the document at its place. Nothing is written where body and inputs are as before.
pub fn write<T: Body>(root: &Root, body: &T, inputs: &Inputs, sandbox: &Sandbox) -> Result<Written, Fault> {
    write_at(root, &root.path(T::PATH), body, inputs, sandbox)
}

/// Writes a document of which there are several.
pub fn write_at<T: Body>(
    root: &Root,
    path: &Path,
    body: &T,
    inputs: &Inputs,
    sandbox: &Sandbox,
) -> Result<Written, Fault> {
    let body = within_bounds(body, 1);
    // A damaged predecessor is replaced: its writer is the one program that may.
    if let Ok(Some(old)) = Document::<T>::read_at_if_there(root, path)
        && old.body == *body
        && old.is_made_from(inputs)
    {
        return Ok(Written::Unchanged);
    }
    durable::write(path, &render(path, &*body, inputs, sandbox)?, T::MODE).map(|()| Written::Changed)
}

/// Writes a document without a look at the one before: for a writer that knows that it says something new.
pub fn replace_at<T: Body>(path: &Path, body: &T, inputs: &Inputs, sandbox: &Sandbox) -> Result<(), Fault> {
    durable::write(path, &render(path, &*within_bounds(body, 1), inputs, sandbox)?, T::MODE)
}

/// The body with its lists cut to their bounds, and its texts to this part of theirs; as it is where it keeps them.
fn within_bounds<T: Body>(body: &T, divisor: usize) -> Cow<'_, T> {
    let mut cut = body.clone();
    cut.bounds(&mut Bounds::cutting(divisor));
    if cut == *body { Cow::Borrowed(body) } else { Cow::Owned(cut) }
}

/// Texts that each keep their bound can be too much together: then all are shortened until it fits.
fn render<T: Body>(path: &Path, body: &T, inputs: &Inputs, sandbox: &Sandbox) -> Result<Vec<u8>, Fault> {
    let refuse = |why: &str| Fault::new(Exit::Software, format!("cannot write '{}': {why}", path.display()));
    body.check().map_err(|fault| refuse(&fault.text))?;
    for divisor in DIVISORS {
        let body = within_bounds(body, divisor);
        let rendered = rendered(&*body, inputs, sandbox).map_err(|error| refuse(&error.to_string()))?;
        if let Some(rendered) = rendered {
            return Ok(rendered);
        }
    }
    Err(refuse(&format!("more than the {} bytes allowed", T::MAX_BYTES)))
}

/// None where it is too much.
fn rendered<T: Body>(body: &T, inputs: &Inputs, sandbox: &Sandbox) -> serde_json::Result<Option<Vec<u8>>> {
    let envelope = Envelope {
        schema: schema_of::<T>(),
        written_by: T::PROGRAM.to_owned(),
        written_at: time::now_seconds(),
        inputs: inputs.0.clone(),
        sandbox: sandbox.report().clone(),
        body,
    };
    // Indentation multiplies what foreign settings nest deeply: where it is too much, it is left out.
    let rendered = bounded::<T>(|room| serde_json::to_writer_pretty(room, &envelope))
        .or_else(|_| bounded::<T>(|room| serde_json::to_writer(room, &envelope)));
    match rendered {
        Err(error) if error.is_io() => Ok(None),
        rendered => rendered.map(Some),
    }
}

/// Parts of the bounds to which texts are cut, one after the other.
const DIVISORS: [usize; 4] = [1, 8, 64, 512];

fn bounded<T: Body>(render: impl FnOnce(&mut Room) -> serde_json::Result<()>) -> serde_json::Result<Vec<u8>> {
    let left = usize::try_from(T::MAX_BYTES).unwrap_or(usize::MAX);
    let mut room = Room { bytes: Vec::new(), left: left.saturating_sub(1) };
    render(&mut room)?;
    room.bytes.push(b'\n');
    Ok(room.bytes)
}

/// Memory up to a document's bound.
struct Room {
    bytes: Vec<u8>,
    left: usize,
}

impl std::io::Write for Room {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(more.len()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where the document of this type is, for messages.
pub fn path_of<T: Body>(root: &Root) -> PathBuf {
    root.path(T::PATH)
}

#[cfg(test)]
mod old;
#[cfg(test)]
mod overfull;
#[cfg(test)]
mod tests;
