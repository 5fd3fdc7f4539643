use std::ops::Range;

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::Refusal;

/// An element, with all that the meaning needs to know of it. No `Debug`: its text may be a secret.
pub(super) struct Element {
    pub(super) namespace: Namespace,
    pub(super) name: String,
    /// `xsi:nil="true"`: as if it weren't there.
    pub(super) is_nil: bool,
    /// Text and CDATA, entities resolved.
    pub(super) text: String,
    /// A comment among the text.
    pub(super) has_comment: bool,
    pub(super) children: Vec<Element>,
    /// Where its content lies in the file, in bytes.
    pub(super) content: Range<usize>,
}

const MAX_DEPTH: usize = 16;
const MAX_ELEMENTS: usize = 2000;
const MAX_ATTRIBUTES: usize = 64;
const MAX_TEXT: usize = 256 << 10;
const OVF: &str = "http://schemas.dmtf.org/ovf/environment/1";
const AZURE: &str = "http://schemas.microsoft.com/windowsazure";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The namespaces that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Ovf,
    Azure,
    Other,
}

/// The document's root element.
pub(super) fn parse(text: &str) -> Result<Element, Refusal> {
    let mut builder = Builder { text, open: Vec::new(), root: None, elements: 0, position: 0 };
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    loop {
        builder.position = position(reader.buffer_position());
        let Ok((namespace, event)) = reader.read_resolved_event() else {
            // The library's own text may quote the file.
            builder.position = position(reader.error_position());
            return Err(builder.refuse("not well-formed"));
        };
        let namespace = namespace_of(&namespace);
        let after = position(reader.buffer_position());
        match event {
            Event::Start(start) => {
                let is_nil = builder.attributes(&reader, &start)?;
                builder.start(namespace, &start, is_nil, after)?;
            }
            Event::End(_) => builder.end()?,
            Event::Text(part) => {
                let part = part.decode().map_err(|_| builder.refuse("not UTF-8"))?;
                builder.append(&part)?;
            }
            Event::CData(part) => {
                let part = part.decode().map_err(|_| builder.refuse("not UTF-8"))?;
                builder.append(&part)?;
            }
            Event::GeneralRef(entity) => builder.entity(&entity)?,
            Event::Comment(_) => builder.comment(),
            Event::Decl(declaration) => builder.declaration(&declaration)?,
            Event::DocType(_) => return Err(builder.refuse("document type not allowed")),
            Event::PI(_) => return Err(builder.refuse("processing instruction not allowed")),
            Event::Empty(_) => return Err(builder.refuse("not well-formed")),
            Event::Eof => return builder.finish(),
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    position: usize,
}

impl Builder<'_> {
    fn start(
        &mut self,
        namespace: Namespace,
        start: &BytesStart<'_>,
        is_nil: bool,
        after: usize,
    ) -> Result<(), Refusal> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.refuse(&format!("more than the {MAX_ELEMENTS} elements allowed")));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.refuse(&format!("nested deeper than the {MAX_DEPTH} levels allowed")));
        }
        if self.root.is_some() {
            return Err(self.refuse("a second root element"));
        }
        let name = std::str::from_utf8(start.local_name().into_inner())
            .map_err(|_| self.refuse("not UTF-8"))?
            .to_owned();
        let element = Element {
            namespace,
            name,
            is_nil,
            text: String::new(),
            has_comment: false,
            children: Vec::new(),
            content: after..after,
        };
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let Some(mut element) = self.open.pop() else { return Err(self.refuse("not well-formed")) };
        element.content.end = self.position.max(element.content.start);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn append(&mut self, part: &str) -> Result<(), Refusal> {
        // A refusal counts lines and columns from the beginning: it is made only where there is one.
        match self.open.last_mut() {
            Some(element) if element.text.len() + part.len() <= MAX_TEXT => element.text.push_str(part),
            Some(_) => return Err(self.refuse(&format!("text longer than the {MAX_TEXT} bytes allowed"))),
            None if part.trim().is_empty() => {}
            None => return Err(self.refuse("text outside the root element")),
        }
        Ok(())
    }

    /// The five entities of XML itself and numbered characters; no other can be declared.
    fn entity(&mut self, entity: &BytesRef<'_>) -> Result<(), Refusal> {
        let character = entity.resolve_char_ref().map_err(|_| self.refuse("bad character reference"))?;
        if let Some(character) = character {
            if character == '\0' {
                return Err(self.refuse("bad character reference"));
            }
            return self.append(character.encode_utf8(&mut [0; 4]));
        }
        let name = entity.decode().map_err(|_| self.refuse("not UTF-8"))?;
        match resolve_predefined_entity(&name) {
            Some(text) => self.append(text),
            None => Err(self.refuse("unknown entity")),
        }
    }

    fn comment(&mut self) {
        if let Some(element) = self.open.last_mut() {
            element.has_comment = true;
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), Refusal> {
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case(b"utf-8") => Ok(()),
            Some(_) => Err(self.refuse("an encoding other than UTF-8 is declared")),
        }
    }

    /// Bounds the attributes, and says whether one is `xsi:nil="true"`.
    fn attributes(&self, reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<bool, Refusal> {
        let mut is_nil = false;
        for (count, attribute) in start.attributes().enumerate() {
            if count >= MAX_ATTRIBUTES {
                return Err(self.refuse(&format!("more than the {MAX_ATTRIBUTES} attributes allowed")));
            }
            let attribute = attribute.map_err(|_| self.refuse("attributes not well-formed"))?;
            let (namespace, name) = reader.resolve_attribute(attribute.key);
            let is_instance = matches!(namespace, ResolveResult::Bound(bound) if bound.into_inner() == SCHEMA_INSTANCE.as_bytes());
            is_nil |= is_instance
                && name.into_inner() == b"nil"
                && matches!(attribute.value.as_ref(), b"true" | b"1");
        }
        Ok(is_nil)
    }

    fn finish(mut self) -> Result<Element, Refusal> {
        if !self.open.is_empty() {
            return Err(self.refuse("it ends too early"));
        }
        self.root.take().ok_or_else(|| self.refuse("no element in it"))
    }

    fn refuse(&self, why: &str) -> Refusal {
        // Anywhere in a character, but lines and columns are counted in whole ones.
        let before = waagent_common::text::cut(self.text, self.position);
        let line = before.split('\n').count();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Refusal::parsing(format!("{why} (line {line}, column {column})"))
    }
}

/// A prefix without namespace makes the element foreign, and foreign elements are ignored.
fn namespace_of(namespace: &ResolveResult<'_>) -> Namespace {
    match namespace {
        ResolveResult::Bound(name) if name.into_inner() == OVF.as_bytes() => Namespace::Ovf,
        ResolveResult::Bound(name) if name.into_inner() == AZURE.as_bytes() => Namespace::Azure,
        _ => Namespace::Other,
    }
}

/// Files are far smaller than any address space.
fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
