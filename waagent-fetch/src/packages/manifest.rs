//! The manifest of a handler: which versions there are, and where their packages are.
//!
//! Hostile input of up to 4 MiB. Only what the request matches is kept, so that memory doesn't grow with the manifest.

use std::cmp::Ordering;

use quick_xml::Reader;
use quick_xml::events::Event;

use waagent_common::text::shown;
use waagent_common::types::HandlerVersion;

use super::version::ListedVersion;
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
pub fn choose(bytes: &[u8], requested: &HandlerVersion, allow_http: bool) -> Result<Choice, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches(['\0', ' ', '\t', '\r', '\n']);
    let mut walk = Walk::new(requested, allow_http);
    let mut reader = Reader::from_str(text);
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        match event.map_err(|error| format!("not XML: {}", shown(&error.to_string())))? {
            Event::Eof => return walk.end(),
            event => walk.take(&event).map_err(|why| format!("{why} (byte {at})"))?,
        }
    }
}

struct Walk<'a> {
    requested: &'a HandlerVersion,
    allow_http: bool,
    /// Where we are: what each open element is for us.
    open: Vec<Place>,
    has_root: bool,
    entries: usize,
    text: String,
    entry: Entry,
    best: Option<(ListedVersion, Vec<StorageUri>)>,
    matched: bool,
}

/// The elements that mean something, where they mean it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
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
            has_root: false,
            entries: 0,
            text: String::new(),
            entry: Entry::default(),
            best: None,
            matched: false,
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.enter(tag.local_name().as_ref()),
            Event::Empty(tag) => {
                self.enter(tag.local_name().as_ref())?;
                self.leave()
            }
            Event::End(_) => self.leave(),
            Event::Text(text) => self.add(&text.decode().map_err(|error| error.to_string())?),
            Event::CData(text) => self.add(&text.decode().map_err(|error| error.to_string())?),
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| error.to_string())?;
                let character = character(&name).ok_or_else(|| format!("entity '{}'", shown(&name)))?;
                self.add(character.encode_utf8(&mut [0; 4]))
            }
            Event::DocType(_) => Err("it has a document type".to_owned()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), String> {
        let place = match (self.open.last(), name) {
            (None, b"PluginVersionManifest") if !self.has_root => Place::Root,
            (None, _) => return Err(format!("unexpected root '{}'", shown(&String::from_utf8_lossy(name)))),
            (Some(Place::Root), b"Plugins" | b"InternalPlugins") => Place::Plugins,
            (Some(Place::Plugins), b"Plugin") => Place::Plugin,
            (Some(Place::Plugin), b"Version") => Place::Version,
            (Some(Place::Plugin), b"Uris") => Place::Uris,
            (Some(Place::Uris), b"Uri") => Place::Uri,
            _ => Place::Other,
        };
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("deeper than {MAX_DEPTH} elements"));
        }
        match place {
            Place::Plugin => {
                self.entries += 1;
                if self.entries > MAX_ENTRIES {
                    return Err(format!("more than {MAX_ENTRIES} versions"));
                }
                self.entry = Entry::default();
            }
            Place::Version | Place::Uri => self.text.clear(),
            _ => {}
        }
        self.has_root = true;
        self.open.push(place);
        Ok(())
    }

    fn leave(&mut self) -> Result<(), String> {
        match self.open.pop() {
            Some(Place::Version) if self.entry.version.is_some() => {
                return Err("a plugin with two versions".to_owned());
            }
            Some(Place::Version) => self.entry.version = Some(self.text.trim().to_owned()),
            Some(Place::Uri) if self.entry.uris.len() < MAX_URIS => {
                // What is no URI is left out, as if it weren't there: another one may do.
                self.entry.uris.extend(StorageUri::parse(self.text.trim(), self.allow_http));
            }
            Some(Place::Plugin) => self.consider(),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        match self.open.last() {
            Some(Place::Version | Place::Uri) if self.text.len() + text.len() > MAX_TEXT => {
                return Err(format!("a text of more than {MAX_TEXT} bytes"));
            }
            Some(Place::Version | Place::Uri) => self.text.push_str(text),
            None if !text.trim().is_empty() => return Err("text outside the root".to_owned()),
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

    fn end(self) -> Result<Choice, String> {
        if !self.has_root || !self.open.is_empty() {
            return Err("it ends in the middle".to_owned());
        }
        Ok(match self.best {
            Some((_, uris)) => Choice::Package(uris),
            None if self.matched => Choice::NoUri,
            None => Choice::NoMatch,
        })
    }
}

/// The five entities of XML itself, and characters by number: there are no others without a document type.
fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')
        }
    }
}

/// Largest manifest, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;
const MAX_ENTRIES: usize = 10_000;
const MAX_DEPTH: usize = 16;
const MAX_URIS: usize = 64;
const MAX_TEXT: usize = 8192;

#[cfg(test)]
mod tests;
