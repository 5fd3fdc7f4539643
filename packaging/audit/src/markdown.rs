//! Pages as Markdown, as forges show it: tables, and details in HTML.

use crate::blocks::{Block, Page, Span, spans};

/// A page as Markdown.
pub fn render(page: &Page) -> String {
    let mut out = String::new();
    for block in &page.blocks {
        push(&mut out, block);
    }
    format!("{}\n", out.trim_end())
}

fn push(out: &mut String, block: &Block) {
    match block {
        Block::Heading(level, text) => {
            out.push_str(&format!("{} {}\n", "#".repeat(usize::from(*level)), inline(text)));
        }
        Block::Text(text) => out.push_str(&format!("{}\n", inline(text))),
        Block::Notice(text) => out.push_str(&format!("> {}\n", inline(text))),
        Block::List(points) => {
            points.iter().for_each(|point| out.push_str(&format!("- {}\n", inline(point))));
        }
        Block::Table(head, rows) => table(out, head, rows),
        Block::Details(summary, inner) => {
            out.push_str(&format!("<details><summary>{}</summary>\n\n", crate::html::inline(summary)));
            inner.iter().for_each(|block| push(out, block));
            out.push_str("</details>\n");
        }
        Block::Code(text) => out.push_str(&format!("```\n{}\n```\n", text.trim_end())),
        Block::Picture(_) => out.push_str("![Who can reach what](pipeline.svg)\n"),
    }
    out.push('\n');
}

fn table(out: &mut String, head: &[String], rows: &[Vec<String>]) {
    let cell = |text: &String| inline(text).replace('|', "\\|").replace('\n', "<br>");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    out.push_str(&line(head));
    out.push_str(&format!("|{}\n", "---|".repeat(head.len())));
    rows.iter().for_each(|row| out.push_str(&line(row)));
}

fn inline(text: &str) -> String {
    let one = |span: Span<'_>| match span {
        Span::Plain(text) => text.replace('&', "&amp;").replace('<', "&lt;").replace('*', "\\*"),
        Span::Code(text) => format!("`{text}`"),
        Span::Strong(text) => format!("**{text}**"),
        Span::Link(page) => format!("[{page}]({page}.md)"),
    };
    spans(text).into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::table;

    #[test]
    fn a_cell_keeps_its_pipe_and_its_lines() {
        let rows = vec![vec!["`a|b`".to_owned(), "<x>\n[[waagent-net]]".to_owned()]];
        let page = Page { name: "x".to_owned(), blocks: vec![table(&["one", "two"], rows)] };
        assert_eq!(
            render(&page),
            "| one | two |\n|---|---|\n| `a\\|b` | &lt;x><br>[waagent-net](waagent-net.md) |\n"
        );
    }
}
