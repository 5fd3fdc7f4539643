//! A report as blocks, before it is Markdown or HTML.

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading of level 1 to 4.
    Heading(u8, String),
    /// A paragraph.
    Text(String),
    /// What a reader mustn't miss.
    Notice(String),
    /// Points.
    List(Vec<String>),
    /// A table: its head and its rows.
    Table(Vec<String>, Vec<Vec<String>>),
    /// What is shown on demand.
    Details(String, Vec<Block>),
    /// Lines as they are.
    Code(String),
    /// The picture of the pipeline.
    Picture(String),
}

/// A page: the name of its file without ending, and what is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `waagent-net`, `README` ...
    pub name: String,
    /// Its blocks, the first one its title.
    pub blocks: Vec<Block>,
}

/// A part of a line. Text marks `code`, **strong** and [[waagent-net]], the page of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span<'a> {
    /// As it is.
    Plain(&'a str),
    /// Between backticks.
    Code(&'a str),
    /// Between double asterisks.
    Strong(&'a str),
    /// The name of a page.
    Link(&'a str),
}

/// A table whose head is given as words.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> Block {
    Block::Table(head.iter().map(|&word| word.to_owned()).collect(), rows)
}

/// A heading.
pub fn heading(level: u8, text: &str) -> Block {
    Block::Heading(level, text.to_owned())
}

/// A paragraph.
pub fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

/// The parts of a line, in order.
pub fn spans(line: &str) -> Vec<Span<'_>> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((start, span, length)) = first_mark(rest) {
        if start > 0 {
            found.push(Span::Plain(rest.get(..start).unwrap_or_default()));
        }
        found.push(span);
        rest = rest.get(start + length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        found.push(Span::Plain(rest));
    }
    found
}

/// Where the next mark begins, what it marks, and how long it is with its marks.
fn first_mark(text: &str) -> Option<(usize, Span<'_>, usize)> {
    type Make = for<'a> fn(&'a str) -> Span<'a>;
    let marks: [(&str, &str, Make); 3] =
        [("`", "`", |s| Span::Code(s)), ("**", "**", |s| Span::Strong(s)), ("[[", "]]", |s| Span::Link(s))];
    marks
        .into_iter()
        .filter_map(|(open, close, make)| {
            let start = text.find(open)?;
            let inner = text.get(start + open.len()..)?;
            let end = inner.find(close)?;
            Some((start, make(inner.get(..end)?), open.len() + end + close.len()))
        })
        .min_by_key(|(start, _, _)| *start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_code_strong_words_and_links() {
        let found = spans("see `a|b`, **now**: [[waagent-net]].");
        assert_eq!(
            found,
            [
                Span::Plain("see "),
                Span::Code("a|b"),
                Span::Plain(", "),
                Span::Strong("now"),
                Span::Plain(": "),
                Span::Link("waagent-net"),
                Span::Plain("."),
            ]
        );
        assert_eq!(spans("a ` alone"), [Span::Plain("a ` alone")]);
    }
}
