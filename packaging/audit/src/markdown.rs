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
            put!(out, "{} {}\n", "#".repeat(usize::from(*level)), inline(text));
        }
        Block::Text(text) => put!(out, "{}\n", inline(text)),
        Block::Notice(text) => put!(out, "> {}\n", inline(text)),
        Block::List(points) => {
            for point in points {
                put!(out, "- {}\n", inline(point));
            }
        }
        Block::Table(head, rows) => table(out, head, rows),
        Block::Details(summary, inner) => {
            put!(out, "<details><summary>{}</summary>\n\n", crate::html::inline(summary));
            for block in inner {
                push(out, block);
            }
            out.push_str("</details>\n");
        }
        Block::Code(text) => put!(out, "```\n{}\n```\n", text.trim_end()),
        Block::Picture(_) => out.push_str("![Who can reach what](pipeline.svg)\n"),
    }
    out.push('\n');
}

fn table(out: &mut String, head: &[String], rows: &[Vec<String>]) {
    let cell = |text: &String| inline(text).replace('|', "\\|").replace('\n', "<br>");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    out.push_str(&line(head));
    put!(out, "|{}\n", "---|".repeat(head.len()));
    for row in rows {
        out.push_str(&line(row));
    }
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
