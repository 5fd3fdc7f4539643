//! A document piece by piece: whoever keeps little of it needs no memory for the rest.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::{Bounds, MAX_DEPTH, XmlError, is_allowed};
use crate::text::shown;

const MAX_ATTRIBUTES: usize = 64;
/// Bytes of a name.
const MAX_NAME: usize = 256;
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A piece of a document. No `Debug`: its text may be a secret.
pub enum Piece<'a> {
    /// An element begins.
    Start(Start),
    /// Text or CDATA in the element that is open, a part of it; entities are resolved.
    Text(Cow<'a, str>),
    /// A comment in the element that is open.
    Comment,
    /// The element that was opened last ends; its content ends at this byte.
    End(usize),
}

/// The begin of an element; no `Debug`, as above.
pub struct Start {
    /// Name without namespace prefix.
    pub name: String,
    /// Which of the namespaces that were asked for it is in.
    pub namespace: Option<&'static str>,
    /// Names as they are written, and values.
    pub attributes: Vec<(String, String)>,
    /// `xsi:nil="true"`: as if it weren't there.
    pub is_nil: bool,
    /// Where its content begins, in bytes.
    pub content: usize,
}

/// A document that is being read; no `Debug`, as above.
pub struct Reader<'a> {
    text: &'a str,
    inner: NsReader<&'a [u8]>,
    bounds: Bounds,
    /// Name of each open element, and how much text it has so far.
    open: Vec<(String, usize)>,
    has_root: bool,
    elements: usize,
    attributes: usize,
    position: usize,
}

impl<'a> Reader<'a> {
    /// At the begin of a text.
    pub fn new(text: &'a str, bounds: &Bounds) -> Result<Self, XmlError> {
        if let Some(at) = text.find(|c| !is_allowed(c)) {
            return Err(XmlError::new(text, at, FORBIDDEN, None));
        }
        let mut inner = NsReader::from_str(text);
        inner.config_mut().expand_empty_elements = true;
        inner.config_mut().check_comments = bounds.is_strict;
        let (open, has_root) = (Vec::new(), false);
        Ok(Self { text, inner, bounds: *bounds, open, has_root, elements: 0, attributes: 0, position: 0 })
    }

    /// The next piece; none at the end of a document that is whole.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'a>>, XmlError> {
        loop {
            self.position = offset(self.inner.buffer_position());
            let (namespace, event) = match self.inner.read_resolved_event() {
                Ok((namespace, event)) => (self.bounds.known(&namespace), event),
                Err(error) => {
                    self.position = offset(self.inner.error_position());
                    return Err(self.refuse_found("not well-formed", &error.to_string()));
                }
            };
            return Ok(Some(match event {
                Event::Start(start) => Piece::Start(self.start(namespace, &start)?),
                Event::End(_) => {
                    self.open.pop();
                    Piece::End(self.position)
                }
                // Line ends as they are: keys and passwords are taken as they are written.
                Event::Text(part) => self.measured(part.into_inner())?,
                Event::CData(part) => self.measured(part.into_inner())?,
                Event::GeneralRef(entity) => {
                    let resolved = self.resolve(&entity)?;
                    self.measured(resolved.into())?
                }
                Event::Comment(_) => Piece::Comment,
                Event::Decl(declaration) => {
                    self.check(&declaration)?;
                    continue;
                }
                Event::DocType(_) => return Err(self.refuse("document type not allowed")),
                Event::PI(_) if !self.bounds.is_strict => continue,
                Event::PI(_) => return Err(self.refuse("processing instruction not allowed")),
                Event::Empty(_) => return Err(self.refuse("not well-formed")),
                Event::Eof => return self.end(),
            }));
        }
    }

    fn start(&mut self, namespace: Option<&'static str>, start: &BytesStart<'_>) -> Result<Start, XmlError> {
        self.elements += 1;
        if self.elements > self.bounds.elements {
            return Err(self.refuse(format!("more than the {} elements allowed", self.bounds.elements)));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.refuse(format!("nested deeper than the {MAX_DEPTH} levels allowed")));
        }
        if self.open.is_empty() && self.has_root {
            return Err(self.refuse("a second root element"));
        }
        let name = self.name(start.local_name().as_ref())?;
        let (attributes, is_nil) = self.attributes(start)?;
        self.has_root = true;
        self.open.push((name.clone(), 0));
        let content = offset(self.inner.buffer_position());
        Ok(Start { name, namespace, attributes, is_nil, content })
    }

    fn attributes(&mut self, start: &BytesStart<'_>) -> Result<(Vec<(String, String)>, bool), XmlError> {
        let (mut attributes, mut is_nil) = (Vec::new(), false);
        for attribute in start.attributes() {
            let bad = |error: &dyn std::error::Error| {
                self.refuse_found("attributes not well-formed", &error.to_string())
            };
            let attribute = attribute.map_err(|error| bad(&error))?;
            let value = unescape(&attribute.value).map_err(|error| bad(&error))?;
            if value.contains(|c| !is_allowed(c)) {
                return Err(self.refuse(FORBIDDEN));
            }
            let (namespace, local) = self.inner.resolver().resolve_attribute(attribute.key);
            is_nil |= local.as_ref() == "nil"
                && matches!(value.as_ref(), "true" | "1")
                && matches!(namespace, ResolveResult::Bound(bound) if bound.as_ref() == SCHEMA_INSTANCE);
            attributes.push((self.name(attribute.key.as_ref())?, value.into_owned()));
            self.attributes += 1;
            if attributes.len() > MAX_ATTRIBUTES {
                return Err(self.refuse(format!("more than the {MAX_ATTRIBUTES} attributes allowed")));
            }
            if self.attributes > self.bounds.elements {
                let most = self.bounds.elements;
                return Err(self.refuse(format!("more than the {most} attributes allowed in all")));
            }
        }
        attributes.shrink_to_fit();
        Ok((attributes, is_nil))
    }

    fn name(&self, name: &str) -> Result<String, XmlError> {
        if name.len() > MAX_NAME {
            return Err(self.refuse(format!("a name longer than {MAX_NAME} bytes")));
        }
        Ok(name.to_owned())
    }

    fn measured(&mut self, part: Cow<'a, str>) -> Result<Piece<'a>, XmlError> {
        match self.open.last_mut() {
            Some((_, length)) => {
                *length += part.len();
                if *length > self.bounds.text {
                    return Err(
                        self.refuse(format!("text longer than the {} bytes allowed", self.bounds.text))
                    );
                }
            }
            None if part.trim().is_empty() => {}
            None => return Err(self.refuse("text outside the root element")),
        }
        Ok(Piece::Text(part))
    }

    /// The five entities of XML itself and numbered characters; no other can be declared.
    fn resolve(&self, entity: &BytesRef<'_>) -> Result<String, XmlError> {
        let bad =
            |error: &dyn std::error::Error| self.refuse_found("bad character reference", &error.to_string());
        match entity.resolve_char_ref().map_err(|error| bad(&error))? {
            Some(character) if is_allowed(character) => return Ok(character.to_string()),
            Some(_) => return Err(self.refuse(FORBIDDEN)),
            None => {}
        }
        let name: &str = entity;
        match resolve_predefined_entity(name) {
            Some(text) => Ok(text.to_owned()),
            // What is no name may be the rest of a URI whose `&` wasn't escaped, with its signature.
            None if name.chars().all(char::is_alphanumeric) => Err(self.refuse_found("unknown entity", name)),
            None => Err(self.refuse("unknown entity")),
        }
    }

    fn check(&self, declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
        match declaration.encoding() {
            Some(Ok(name)) if !name.eq_ignore_ascii_case("utf-8") => {
                Err(self.refuse("an encoding other than UTF-8 is declared"))
            }
            Some(Err(_)) => Err(self.refuse("declaration not well-formed")),
            _ => Ok(()),
        }
    }

    fn end(&self) -> Result<Option<Piece<'a>>, XmlError> {
        match self.open.last() {
            Some((name, _)) => Err(self.refuse_found("an element isn't closed", name)),
            None if self.has_root => Ok(None),
            None => Err(self.refuse("no element at all")),
        }
    }

    /// Refuses the document for what was read last.
    pub fn refuse(&self, what: impl Into<String>) -> XmlError {
        XmlError::new(self.text, self.position, what, None)
    }

    fn refuse_found(&self, what: &str, found: &str) -> XmlError {
        XmlError::new(self.text, self.position, what, Some(shown(found)))
    }
}

impl Bounds {
    fn known(&self, namespace: &ResolveResult<'_>) -> Option<&'static str> {
        let ResolveResult::Bound(bound) = namespace else { return None };
        self.namespaces.iter().find(|known| AsRef::<str>::as_ref(*known) == bound.as_ref()).copied()
    }
}

/// Documents are far smaller than any address space.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

const FORBIDDEN: &str = "a character that XML forbids";
