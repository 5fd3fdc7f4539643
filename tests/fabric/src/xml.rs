//! XML both ways: a small tree of what the agent posts, and the escaping of what the platform says.

use anyhow::{Context, Result, bail, ensure};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element: local name, attributes, all text directly in it, children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Name without prefix.
    pub name: String,
    /// Attributes in order.
    pub attributes: Vec<(String, String)>,
    /// Text and CDATA, entities resolved.
    pub text: String,
    /// Children in order.
    pub children: Vec<Element>,
}

impl Element {
    /// Parses one document; refuses DTDs, unknown entities, depth over 32.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = vec![Self::default()];
        loop {
            let event = reader.read_event()?;
            let top = open.last_mut().context("no element is open")?;
            match event {
                Event::Start(start) => open.push(Self::started(&start)?),
                Event::Empty(start) => top.children.push(Self::started(&start)?),
                Event::Text(text) => top.text.push_str(&text.decode()?),
                Event::CData(text) => top.text.push_str(&text.decode()?),
                Event::GeneralRef(reference) => match reference.resolve_char_ref()? {
                    Some(character) => top.text.push(character),
                    None => top.text.push_str(predefined(&reference.decode()?)?),
                },
                Event::End(_) => {
                    let done = open.pop().context("an end without a start")?;
                    open.last_mut().context("an end without a start")?.children.push(done);
                }
                Event::DocType(_) => bail!("has a DOCTYPE"),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
            ensure!(open.len() <= 32, "deeper than 32");
        }
        ensure!(open.len() == 1, "an element isn't closed");
        let mut roots = open.pop().unwrap_or_default().children;
        ensure!(roots.len() == 1, "{} root elements", roots.len());
        roots.pop().context("no root element")
    }

    fn started(start: &BytesStart<'_>) -> Result<Self> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute?;
            let key = String::from_utf8(attribute.key.local_name().as_ref().to_vec())?;
            attributes.push((key, attribute.unescape_value()?.into_owned()));
        }
        let name = String::from_utf8(start.local_name().as_ref().to_vec())?;
        Ok(Self { name, attributes, ..Self::default() })
    }

    /// The first descendant at this path of child names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.children.iter().find(|child| child.name == *name))
    }

    /// Trimmed text at a path; empty if it isn't there.
    pub fn text_at(&self, path: &[&str]) -> String {
        self.at(path).map(|element| element.text.trim().to_owned()).unwrap_or_default()
    }

    /// Value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Escapes text for element content and for attributes in double quotes.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn predefined(name: &str) -> Result<&'static str> {
    Ok(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        other => bail!("unknown entity '{other}'"),
    })
}
