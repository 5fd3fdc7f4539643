//! All pages as one HTML page that needs nothing else.

use crate::blocks::{Block, Page, Span, spans};

/// All pages on one, with a list of them beside it.
pub fn render(pages: &[Page]) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    put!(out, "<title>waagent: what each program may do</title>\n<style>\n{STYLE}</style>\n");
    out.push_str("</head>\n<body>\n<nav>\n");
    for page in pages {
        let name = if page.name == INDEX { "Overview" } else { &page.name };
        put!(out, "<a href=\"#{}\">{}</a>\n", page.name, escape(name));
    }
    out.push_str("</nav>\n<main>\n");
    for page in pages {
        put!(out, "<section id=\"{}\">\n", page.name);
        for block in &page.blocks {
            push(&mut out, block);
        }
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn push(out: &mut String, block: &Block) {
    match block {
        Block::Heading(level, text) => put!(out, "<h{level}>{}</h{level}>\n", inline(text)),
        Block::Text(text) => put!(out, "<p>{}</p>\n", inline(text)),
        Block::Notice(text) => put!(out, "<p class=\"notice\">{}</p>\n", inline(text)),
        Block::List(points) => {
            out.push_str("<ul>\n");
            for point in points {
                put!(out, "<li>{}</li>\n", inline(point));
            }
            out.push_str("</ul>\n");
        }
        Block::Table(head, rows) => table(out, head, rows),
        Block::Details(summary, inner) => {
            put!(out, "<details><summary>{}</summary>\n", inline(summary));
            for block in inner {
                push(out, block);
            }
            out.push_str("</details>\n");
        }
        Block::Code(text) => put!(out, "<pre>{}</pre>\n", escape(text.trim_end())),
        Block::Picture(svg) => put!(out, "<div class=\"wide\">{svg}</div>\n"),
    }
}

fn table(out: &mut String, head: &[String], rows: &[Vec<String>]) {
    let cell = |text: &String| inline(text).replace('\n', "<br>");
    let line = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|text| format!("<{tag}>{}</{tag}>", cell(text))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    put!(out, "<div class=\"wide\"><table>\n<thead>{}</thead>\n<tbody>\n", line("th", head));
    for row in rows {
        out.push_str(&line("td", row));
    }
    out.push_str("</tbody></table></div>\n");
}

/// A line of text.
pub fn inline(text: &str) -> String {
    let one = |span: Span<'_>| match span {
        Span::Plain(text) => escape(text),
        Span::Code(text) => format!("<code>{}</code>", escape(text)),
        Span::Strong(text) => format!("<strong>{}</strong>", escape(text)),
        Span::Link(page) => format!("<a href=\"#{page}\">{}</a>", escape(page)),
    };
    spans(text).into_iter().map(one).collect()
}

/// Text that HTML shows as it is.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Name of the page that the others are listed on.
pub const INDEX: &str = "README";

const STYLE: &str = "\
:root { color-scheme: light dark; --back: #ffffff; --text: #1b1f24; --muted: #57606a; --line: #d0d7de; --soft: #f6f8fa;
  --link: #0757b8; --notice: #fff4d6; --notice-line: #b58100; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --text: #e3e7ec; --muted: #9aa4af; --line: #363c44;
  --soft: #1e2329; --link: #74b2ff; --notice: #3a2f10; --notice-line: #d5a021; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, 'DejaVu Sans', sans-serif;
  display: grid; grid-template-columns: 13.5rem minmax(0, 1fr); }
nav { position: sticky; top: 0; align-self: start; height: 100vh; overflow: auto; padding: 1.5rem 1rem;
  background: var(--soft); border-right: 1px solid var(--line); }
nav a { display: block; padding: .2rem 0; text-decoration: none; font-size: .95rem; }
main { padding: 1rem 2.5rem 4rem; max-width: 100rem; }
section { border-bottom: 1px solid var(--line); padding-bottom: 2rem; }
h1 { margin: 2rem 0 .6rem; font-size: 1.9rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.3rem; }
h3 { margin: 1.5rem 0 .4rem; font-size: 1.05rem; } p { margin: .5rem 0; max-width: 60rem; }
a { color: var(--link); } a:hover { text-decoration: underline; }
.wide { overflow-x: auto; margin: .7rem 0; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--soft); } tbody tr:nth-child(even) { background: var(--soft); }
code, pre { font: .88em/1.45 ui-monospace, 'DejaVu Sans Mono', monospace; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .7rem 1rem; overflow-x: auto; }
td code { overflow-wrap: break-word; } td a { white-space: nowrap; }
summary { cursor: pointer; color: var(--link); margin: .4rem 0; }
.notice { background: var(--notice); border-left: 4px solid var(--notice-line); padding: .7rem 1rem; }
svg { display: block; min-width: 72rem; width: 100%; max-width: 92rem; height: auto; }
@media (max-width: 60rem) { body { display: block; } nav { position: static; height: auto; border: 0; }
  nav a { display: inline-block; margin-right: .8rem; } main { padding: 1rem; } }
@media print { nav { display: none; } body { display: block; } }
";
