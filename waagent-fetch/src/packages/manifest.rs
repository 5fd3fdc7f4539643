//! The manifest of a handler: which versions there are, and where their packages are.
//!
//! Hostile input of up to 4 MiB. Only what the request matches is kept, so that memory doesn't grow with the manifest.

use std::cmp::Ordering;

use waagent_common::text::shown;
use waagent_common::types::HandlerVersion;
use waagent_common::xml::{self, Bounds, Piece, Reader, XmlError};

use super::version::ListedVersion;
use crate::failure::Failure;
use crate::http::StorageUri;

/// What a manifest has for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The highest version that matches, and where its package is: at least one URI.
    Package(Vec<StorageUri>),
    /// No version matches.
    NoMatch,
    /// What matches names no usable URI.
    NoUri,
}

/// Reads a manifest and chooses; URIs of plain http count only where `allow_http` says so. `Err` is the reason why it is no manifest.
pub(crate) fn choose(bytes: &[u8], requested: &HandlerVersion, allow_http: bool) -> Result<Choice, Failure> {
    read(bytes, requested, allow_http).map_err(|error| Failure::nonsense(error.unquoted()))
}

/// A URI that isn't escaped as it should be may stand anywhere, with its signature.
fn read(bytes: &[u8], requested: &HandlerVersion, allow_http: bool) -> Result<Choice, XmlError> {
    let mut walk = Walk::new(requested, allow_http);
    let mut reader = Reader::new(xml::text_of(bytes)?, &BOUNDS)?;
    while let Some(piece) = reader.next_piece()? {
        walk.take(&piece).map_err(|failure| reader.refuse(failure.text))?;
    }
    Ok(walk.end())
}

struct Walk<'a> {
    requested: &'a HandlerVersion,
    allow_http: bool,
    /// Where we are: what each open element is for us.
    open: Vec<Level>,
    entries: usize,
    text: String,
    entry: Entry,
    best: Option<(ListedVersion, Vec<StorageUri>)>,
    matched: bool,
}

/// The elements that mean something, where they mean it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Plugins,
    Plugin,
    Version,
    Uris,
    Uri,
    Other,
}

#[derive(Debug, Default)]
struct Entry {
    version: Option<String>,
    uris: Vec<StorageUri>,
}

impl<'a> Walk<'a> {
    fn new(requested: &'a HandlerVersion, allow_http: bool) -> Self {
        Self {
            requested,
            allow_http,
            open: Vec::new(),
            entries: 0,
            text: String::new(),
            entry: Entry::default(),
            best: None,
            matched: false,
        }
    }

    fn take(&mut self, piece: &Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Start(start) => self.enter(&start.name),
            Piece::End(_) => self.leave(),
            Piece::Text(text) => self.add(text),
            Piece::Comment => Ok(()),
        }
    }

    fn enter(&mut self, name: &str) -> Result<(), Failure> {
        let level = match (self.open.last(), name) {
            (None, "PluginVersionManifest") => Level::Root,
            (None, _) => return Err(Failure::nonsense(format!("unexpected root '{}'", shown(name)))),
            (Some(Level::Root), "Plugins" | "InternalPlugins") => Level::Plugins,
            (Some(Level::Plugins), "Plugin") => Level::Plugin,
            (Some(Level::Plugin), "Version") => Level::Version,
            (Some(Level::Plugin), "Uris") => Level::Uris,
            (Some(Level::Uris), "Uri") => Level::Uri,
            _ => Level::Other,
        };
        match level {
            Level::Plugin => {
                self.entries += 1;
                if self.entries > MAX_ENTRIES {
                    return Err(Failure::nonsense(format!("more than {MAX_ENTRIES} versions")));
                }
                self.entry = Entry::default();
            }
            Level::Version | Level::Uri => self.text.clear(),
            _ => {}
        }
        self.open.push(level);
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Failure> {
        match self.open.pop() {
            Some(Level::Version) if self.entry.version.is_some() => {
                return Err(Failure::nonsense("a plugin with two versions"));
            }
            Some(Level::Version) => self.entry.version = Some(self.text.trim().to_owned()),
            Some(Level::Uri) if self.entry.uris.len() < MAX_URIS => {
                // What is no URI is left out, as if it weren't there: another one may do.
                self.entry.uris.extend(StorageUri::parse(self.text.trim(), self.allow_http));
            }
            Some(Level::Plugin) => self.consider(),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), Failure> {
        match self.open.last() {
            Some(Level::Version | Level::Uri) if self.text.len() + text.len() > MAX_TEXT => {
                return Err(Failure::nonsense(format!("a text of more than {MAX_TEXT} bytes")));
            }
            Some(Level::Version | Level::Uri) => self.text.push_str(text),
            _ => {}
        }
        Ok(())
    }

    /// An entry is complete: is it better than what we have?
    fn consider(&mut self) {
        let Entry { version, uris } = std::mem::take(&mut self.entry);
        let version = version.as_deref().and_then(ListedVersion::parse);
        let Some(version) = version.filter(|version| version.matches(self.requested)) else { return };
        self.matched = true;
        if uris.is_empty() {
            return;
        }
        let order = self.best.as_ref().map(|(best, _)| version.cmp(best));
        match (&mut self.best, order) {
            (Some((_, known)), Some(Ordering::Equal)) => {
                for uri in uris {
                    if known.len() < MAX_URIS && !known.contains(&uri) {
                        known.push(uri);
                    }
                }
            }
            (_, Some(Ordering::Less)) => {}
            (best, _) => *best = Some((version, uris)),
        }
    }

    fn end(self) -> Choice {
        match self.best {
            Some((_, uris)) => Choice::Package(uris),
            None if self.matched => Choice::NoUri,
            None => Choice::NoMatch,
        }
    }
}

/// Largest manifest, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;
const MAX_ENTRIES: usize = 10_000;
const MAX_URIS: usize = 64;
const MAX_TEXT: usize = 8192;
/// Nothing is kept of an element: the bytes bound them.
const BOUNDS: Bounds = Bounds { elements: usize::MAX, text: usize::MAX, namespaces: &[], is_strict: false };

#[cfg(test)]
mod tests;
