//! The picture: a lane for each program, a line for each thing that it reaches, an arrow for each document.

use waagent_declaration::Policy;

use crate::html::escape;
use crate::lines::{Group, Mark, Row, groups};
use crate::programs::{LEVELS, Level, PROGRAMS, user};
use crate::report::Sources;

/// The picture as SVG, which follows the viewer's light or dark scheme.
pub fn draw(sources: &Sources) -> String {
    let lanes = lanes();
    let groups = groups(sources, &lanes);
    let count: usize = groups.iter().map(|(_, rows)| rows.len()).sum();
    let bottom = TOP + extent(groups.len(), BAND) + extent(count, STEP);
    let width = LEFT + extent(lanes.len(), LANE) + 12;
    let height = bottom + 92;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Who can reach what\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\">\n<style>\n{STYLE}</style>\n"
    );
    put!(out, "<rect class=\"pic-back\" width=\"{width}\" height=\"{height}\"/>\n");
    bands(&mut out, &groups, width);
    for (lane, policy) in lanes.iter().enumerate() {
        head(&mut out, lane, policy, bottom);
    }
    let mut y = TOP;
    for (_, rows) in &groups {
        y += BAND;
        for row in rows {
            line(&mut out, row, y + STEP / 2, &lanes);
            y += STEP;
        }
    }
    legend(&mut out, bottom + 26);
    out.push_str("</svg>\n");
    out
}

fn lanes() -> Vec<&'static Policy> {
    PROGRAMS.iter().filter_map(|program| program.policy).collect()
}

/// Stripes behind the lines, and the title of each group.
fn bands(out: &mut String, groups: &[Group], width: usize) {
    let mut y = TOP;
    for (title, rows) in groups {
        put!(out, "<text class=\"pic-band\" x=\"16\" y=\"{}\">{}</text>\n", y + BAND - 9, escape(title));
        y += BAND;
        for number in 0..rows.len() {
            if number % 2 == 0 {
                put!(
                    out,
                    "<rect class=\"pic-stripe\" x=\"8\" y=\"{y}\" width=\"{}\" height=\"{STEP}\" rx=\"4\"/>\n",
                    width - 16
                );
            }
            y += STEP;
        }
    }
}

/// A lane: its box on top, coloured by privilege, and the line below it.
fn head(out: &mut String, lane: usize, policy: &Policy, bottom: usize) {
    let (x, level) = (centre(lane), Level::of(policy));
    let name = policy.program.strip_prefix("waagent-").unwrap_or(policy.program);
    let runs_as = if user(policy) == policy.program { "own user" } else { user(policy) };
    let capabilities: Vec<&str> = policy
        .capabilities
        .iter()
        .map(|grant| grant.what.strip_prefix("CAP_").unwrap_or(grant.what))
        .collect();
    let lines = match capabilities.as_slice() {
        [] => vec!["no capability".to_owned()],
        ["all"] => vec!["all capabilities".to_owned()],
        [one] => vec![(*one).to_owned()],
        many => vec![format!("{} capabilities", many.len())],
    };
    if level == Level::Unconfined {
        put!(
            out,
            "<rect class=\"pic-all pic-{}\" x=\"{}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>\n",
            level.class(),
            x - 26,
            52,
            bottom - TOP
        );
    }
    put!(
        out,
        "<line class=\"pic-lane pic-{0}-line\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>\n\
         <a href=\"{1}\"><rect class=\"pic-head pic-{0}\" x=\"{2}\" y=\"16\" width=\"{3}\" height=\"{4}\" rx=\"7\"/>\n\
         <text class=\"pic-name\" x=\"{x}\" y=\"42\">{name}</text></a>\n\
         <text class=\"pic-fact\" x=\"{x}\" y=\"62\">{runs_as}</text>\n",
        level.class(),
        format_args!("#{}", policy.program),
        x - LANE / 2 + 4,
        LANE - 8,
        TOP - 22,
    );
    for (number, line) in lines.iter().enumerate() {
        put!(out, "<text class=\"pic-fact\" x=\"{x}\" y=\"{}\">{line}</text>\n", 79 + number * 16);
    }
}

/// A line: its words on the left, its marks, and the arrow from the writer to its readers.
fn line(out: &mut String, row: &Row, y: usize, lanes: &[&Policy]) {
    put!(
        out,
        "<text class=\"pic-row\" x=\"24\" y=\"{0}\">{1}</text><text class=\"pic-place\" x=\"{2}\" y=\"{0}\">{3}</text>\n",
        y + 5,
        escape(&row.name),
        LEFT - 12,
        escape(&row.root)
    );
    if let Some(from) = row.from {
        arrow(out, row, from, y, lanes);
    }
    for (lane, mark) in row.marks.iter().enumerate() {
        let (x, class) = (centre(lane), lanes.get(lane).map_or("user", |policy| Level::of(policy).class()));
        match (mark, row.from) {
            (Mark::Nothing, _) => {}
            (Mark::Could, _) => {
                put!(out, "<circle class=\"pic-could\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>\n");
            }
            (Mark::Does, Some(from)) => {
                let (tip, back) = if from < lane { (x + 7, x - 7) } else { (x - 7, x + 7) };
                put!(
                    out,
                    "<path class=\"pic-reads\" d=\"M{tip} {y} L{back} {} L{back} {} Z\"/>\n",
                    y - 7,
                    y + 7
                );
            }
            (Mark::Does | Mark::Writes, _) => {
                put!(out, "<circle class=\"pic-does pic-{class}\" cx=\"{x}\" cy=\"{y}\" r=\"7.5\"/>\n");
            }
        }
    }
}

fn arrow(out: &mut String, row: &Row, from: usize, y: usize, lanes: &[&Policy]) {
    let readers =
        || row.marks.iter().enumerate().filter(|(_, mark)| **mark == Mark::Does).map(|(lane, _)| lane);
    let class = lanes.get(from).map_or("user", |policy| Level::of(policy).class());
    let ends = [readers().min().filter(|lane| *lane < from), readers().max().filter(|lane| *lane > from)];
    for end in ends.into_iter().flatten() {
        put!(
            out,
            "<line class=\"pic-flow pic-{class}-line\" x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\n",
            centre(from),
            centre(end)
        );
    }
}

fn legend(out: &mut String, y: usize) {
    let mut x = 24;
    for level in LEVELS {
        put!(
            out,
            "<rect class=\"pic-head pic-{}\" x=\"{x}\" y=\"{}\" width=\"20\" height=\"16\" rx=\"3\"/>\
             <text class=\"pic-key\" x=\"{}\" y=\"{y}\">{}</text>\n",
            level.class(),
            y - 13,
            x + 28,
            level.words()
        );
        x += 54 + 8 * level.words().len();
    }
    let y = y + 34;
    let words = [
        (
            24,
            "<circle class=\"pic-does pic-user\" cx=\"34\" cy=\"-5\" r=\"7.5\"/>",
            "reaches it; writes the document",
        ),
        (
            330,
            "<path class=\"pic-reads\" d=\"M348 -5 L334 -12 L334 2 Z\"/>",
            "reads the document: the arrow comes from its writer",
        ),
        (
            770,
            "<circle class=\"pic-could\" cx=\"780\" cy=\"-5\" r=\"4\"/>",
            "no layer would stop it from reading that, but it doesn't; red stripe: everything",
        ),
    ];
    for (x, mark, text) in words {
        put!(
            out,
            "<g transform=\"translate(0 {y})\">{mark}<text class=\"pic-key\" x=\"{}\" y=\"0\">{text}</text></g>\n",
            x + 30
        );
    }
}

fn centre(lane: usize) -> usize {
    LEFT + extent(lane, LANE) + LANE / 2
}

fn extent(count: usize, each: usize) -> usize {
    count * each
}

/// Room for the words of a line.
const LEFT: usize = 404;
/// Width of a lane.
const LANE: usize = 118;
/// Where the lines begin, below the boxes.
const TOP: usize = 112;
/// Height of a line, and of a group's title.
const STEP: usize = 27;
const BAND: usize = 32;

const STYLE: &str = "\
.pic-back { fill: #ffffff; } .pic-stripe { fill: #f3f5f8; } .pic-band { fill: #57606a; font-size: 14px; font-weight: 600; }
.pic-name { fill: #101418; font-size: 17px; font-weight: 700; text-anchor: middle; }
.pic-fact { fill: #101418; font-size: 12px; text-anchor: middle; }
.pic-row { fill: #1b1f24; font-size: 14px; } .pic-key { fill: #1b1f24; font-size: 14px; }
.pic-place { fill: #57606a; font-size: 12px; text-anchor: end; }
.pic-lane { stroke-width: 1.5; opacity: .35; } .pic-flow { stroke-width: 3; opacity: .8; }
.pic-head, .pic-does { stroke: #101418; stroke-width: 1; } .pic-reads { fill: #1b1f24; }
.pic-could { fill: #ffffff; stroke: #57606a; stroke-width: 1.4; } .pic-all { opacity: .22; }
.pic-user { fill: #9fd8a4; } .pic-bare-root { fill: #f5e08a; } .pic-capable-user { fill: #9cc9f0; }
.pic-root { fill: #f7b27a; } .pic-unconfined { fill: #f08a8a; }
.pic-user-line { stroke: #3f8f49; } .pic-bare-root-line { stroke: #a38a12; } .pic-capable-user-line { stroke: #3878b4; }
.pic-root-line { stroke: #c26a1b; } .pic-unconfined-line { stroke: #c23b3b; }
@media (prefers-color-scheme: dark) {
.pic-back { fill: #14171b; } .pic-stripe { fill: #1e2329; } .pic-band, .pic-place { fill: #a7b1bc; }
.pic-row, .pic-key, .pic-reads { fill: #e3e7ec; } .pic-could { fill: #14171b; stroke: #a7b1bc; }
.pic-user-line { stroke: #6fc27a; } .pic-bare-root-line { stroke: #d8c04a; } .pic-capable-user-line { stroke: #74b2ff; }
.pic-root-line { stroke: #f0974a; } .pic-unconfined-line { stroke: #f06a6a; } }
";
