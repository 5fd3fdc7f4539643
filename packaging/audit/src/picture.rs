//! The picture: a lane for each program, a line for each thing that it reaches, an arrow for each document.

use waagent_common::documents::catalogue::Entry;
use waagent_common::sandbox::{Connects, Policy};

use crate::html::escape;
use crate::programs::{LEVELS, Level, PROGRAMS, user};
use crate::reach::{OTHERS, documents, writer};
use crate::report::Sources;

/// A line of the picture: what it is about, and what each lane has to do with it.
#[derive(Debug, Clone)]
struct Row {
    name: String,
    place: String,
    marks: Vec<Mark>,
    /// Lane of the writer, where it is a document.
    from: Option<usize>,
}

/// What a program has to do with a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Nothing,
    /// It could, but no part of it does.
    Could,
    /// It does: reaches a thing, or reads a document.
    Does,
    /// It writes the document.
    Writes,
}

/// Lines under a title.
type Group = (String, Vec<Row>);

/// The picture as SVG, which follows the viewer's light or dark scheme.
pub fn draw(sources: &Sources) -> String {
    let lanes = lanes();
    let groups = groups(sources, &lanes);
    let lines: usize = groups.iter().map(|(_, rows)| rows.len()).sum();
    let bottom = TOP + extent(groups.len(), BAND) + extent(lines, STEP);
    let width = LEFT + extent(lanes.len(), LANE) + 12;
    let height = bottom + 92;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Who can reach what\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\">\n<style>\n{STYLE}</style>\n"
    );
    out.push_str(&format!("<rect class=\"pic-back\" width=\"{width}\" height=\"{height}\"/>\n"));
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

/// What is outside first, then the documents of each writer in the order of a boot.
fn groups(sources: &Sources, lanes: &[&Policy]) -> Vec<Group> {
    let mut groups = vec![("The machine and the world".to_owned(), outside(sources, lanes))];
    let all = documents();
    for (lane, policy) in lanes.iter().enumerate() {
        let own = all.iter().filter(|entry| writer(entry) == policy.program);
        let (shared, kept): (Vec<&Entry>, Vec<&Entry>) =
            own.partition(|entry| entry.readers.iter().any(|reader| lane_of(lanes, reader).is_some()));
        let mut rows: Vec<Row> = shared.iter().map(|entry| document(entry, lane, lanes, sources)).collect();
        rows.extend(OTHERS.iter().filter(|other| other.from == policy.program).map(|other| Row {
            name: other.name.to_owned(),
            place: short(other.path),
            marks: marks(lanes, |at, other_lane| match at {
                _ if at == lane => Mark::Writes,
                _ if other.to.contains(&other_lane.program) => Mark::Does,
                _ => Mark::Nothing,
            }),
            from: Some(lane),
        }));
        rows.extend(for_itself(&kept, lane, lanes, sources));
        if !rows.is_empty() {
            groups.push((format!("Written by {}", policy.program), rows));
        }
    }
    groups
}

fn document(entry: &Entry, lane: usize, lanes: &[&Policy], sources: &Sources) -> Row {
    let marks = marks(lanes, |at, policy| match at {
        _ if at == lane => Mark::Writes,
        _ if entry.readers.contains(&policy.program) => Mark::Does,
        _ if sources.layers().may_read(policy, entry) => Mark::Could,
        _ => Mark::Nothing,
    });
    Row { name: entry.name.to_owned(), place: short(entry.path), marks, from: Some(lane) }
}

/// Documents that no other program reads, on one line.
fn for_itself(kept: &[&Entry], lane: usize, lanes: &[&Policy], sources: &Sources) -> Option<Row> {
    if kept.is_empty() {
        return None;
    }
    let names: Vec<&str> = kept.iter().map(|entry| entry.name).collect();
    let marks = marks(lanes, |at, policy| match at {
        _ if at == lane => Mark::Writes,
        _ if kept.iter().any(|entry| sources.layers().may_read(policy, entry)) => Mark::Could,
        _ => Mark::Nothing,
    });
    let (first, rest) = names.split_at(names.len().min(3));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    Some(Row {
        name: format!("{}{more}", first.join(", ")),
        place: "for itself, for people".to_owned(),
        marks,
        from: None,
    })
}

/// What isn't the agent's own: by connections, capabilities, devices, written trees, keys, executed tools.
fn outside(sources: &Sources, lanes: &[&Policy]) -> Vec<Row> {
    type Test<'a> = Box<dyn Fn(&Policy) -> bool + 'a>;
    let device = |name: &'static str| -> Test<'_> {
        Box::new(move |policy| policy.devices.iter().any(|grant| grant.what == name))
    };
    let key = |kind: &'static str| -> Test<'_> {
        Box::new(move |policy| sources.layers().selinux_reads(policy, kind))
    };
    let writes = |trees: &'static [&'static str]| -> Test<'_> {
        Box::new(move |policy| policy.writes.iter().any(|grant| trees.contains(&grant.what)))
    };
    let rows: Vec<(&str, &str, Test<'_>)> = vec![
        (
            "Azure platform",
            "opens TCP 80, 32526",
            Box::new(|policy| matches!(policy.connects, Connects::Ports(_))),
        ),
        (
            "Storage, proxies",
            "TCP, any host",
            Box::new(|policy| matches!(policy.connects, Connects::Anywhere(_))),
        ),
        (
            "Firewall and routes",
            "CAP_NET_ADMIN",
            Box::new(|policy| policy.capabilities.iter().any(|grant| grant.what == "CAP_NET_ADMIN")),
        ),
        ("Provisioning DVD", "block-sr, reads", device("block-sr")),
        ("Raw disks", "block-sd, writes", device("block-sd")),
        ("Accounts, /etc, homes", "writes", writes(&["/etc", "/home", "/root"])),
        ("Transport key", "certs/TransportPrivate*.pem", key("waagent_transport_key_t")),
        ("Certificate keys", "certs/*.prv", key("waagent_key_t")),
        ("Handlers' folders", "/var/lib/waagent/*-*", key("waagent_ext_lib_t")),
        ("Runs other programs", "execve", Box::new(|policy| !policy.executes.is_empty())),
    ];
    rows.into_iter()
        .map(|(name, place, test)| Row {
            name: name.to_owned(),
            place: place.to_owned(),
            marks: marks(lanes, |_, policy| {
                let does = test(policy) || Level::of(policy) == Level::Unconfined;
                if does { Mark::Does } else { Mark::Nothing }
            }),
            from: None,
        })
        .collect()
}

fn marks(lanes: &[&Policy], mark: impl Fn(usize, &Policy) -> Mark) -> Vec<Mark> {
    lanes.iter().enumerate().map(|(at, policy)| mark(at, policy)).collect()
}

fn lane_of(lanes: &[&Policy], program: &str) -> Option<usize> {
    lanes.iter().position(|policy| policy.program == program)
}

/// Stripes behind the lines, and the title of each group.
fn bands(out: &mut String, groups: &[Group], width: usize) {
    let mut y = TOP;
    for (title, rows) in groups {
        out.push_str(&format!(
            "<text class=\"pic-band\" x=\"16\" y=\"{}\">{}</text>\n",
            y + BAND - 9,
            escape(title)
        ));
        y += BAND;
        for number in 0..rows.len() {
            if number % 2 == 0 {
                out.push_str(&format!(
                    "<rect class=\"pic-stripe\" x=\"8\" y=\"{y}\" width=\"{}\" height=\"{STEP}\" rx=\"4\"/>\n",
                    width - 16
                ));
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
    out.push_str(&format!(
        "<line class=\"pic-lane pic-{0}-line\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>\n\
         <a href=\"{1}\"><rect class=\"pic-head pic-{0}\" x=\"{2}\" y=\"16\" width=\"{3}\" height=\"{4}\" rx=\"7\"/>\n\
         <text class=\"pic-name\" x=\"{x}\" y=\"42\">{name}</text></a>\n\
         <text class=\"pic-fact\" x=\"{x}\" y=\"62\">{runs_as}</text>\n",
        level.class(),
        if out.is_empty() { String::new() } else { format!("#{}", policy.program) },
        x - LANE / 2 + 4,
        LANE - 8,
        TOP - 22,
    ));
    for (number, line) in lines.iter().enumerate() {
        out.push_str(&format!(
            "<text class=\"pic-fact\" x=\"{x}\" y=\"{}\">{line}</text>\n",
            79 + number * 16
        ));
    }
}

/// A line: its words on the left, its marks, and the arrow from the writer to its readers.
fn line(out: &mut String, row: &Row, y: usize, lanes: &[&Policy]) {
    out.push_str(&format!(
        "<text class=\"pic-row\" x=\"24\" y=\"{0}\">{1}</text><text class=\"pic-place\" x=\"{2}\" y=\"{0}\">{3}</text>\n",
        y + 5,
        escape(&row.name),
        LEFT - LANE / 2 + 6,
        escape(&row.place)
    ));
    if let Some(from) = row.from {
        arrow(out, row, from, y, lanes);
    }
    for (lane, mark) in row.marks.iter().enumerate() {
        let (x, class) = (centre(lane), lanes.get(lane).map_or("user", |policy| Level::of(policy).class()));
        match (mark, row.from) {
            (Mark::Nothing, _) => {}
            (Mark::Could, _) => {
                out.push_str(&format!("<circle class=\"pic-could\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>\n"));
            }
            (Mark::Does, Some(from)) => {
                let (tip, back) = if from < lane { (x + 7, x - 7) } else { (x - 7, x + 7) };
                out.push_str(&format!(
                    "<path class=\"pic-reads\" d=\"M{tip} {y} L{back} {} L{back} {} Z\"/>\n",
                    y - 7,
                    y + 7
                ));
            }
            (Mark::Does | Mark::Writes, _) => {
                out.push_str(&format!(
                    "<circle class=\"pic-does pic-{class}\" cx=\"{x}\" cy=\"{y}\" r=\"7.5\"/>\n"
                ));
            }
        }
    }
}

fn arrow(out: &mut String, row: &Row, from: usize, y: usize, lanes: &[&Policy]) {
    let readers =
        || row.marks.iter().enumerate().filter(|(_, mark)| **mark == Mark::Does).map(|(lane, _)| lane);
    let class = lanes.get(from).map_or("user", |policy| Level::of(policy).class());
    for end in [readers().min(), readers().max()].into_iter().flatten() {
        out.push_str(&format!(
            "<line class=\"pic-flow pic-{class}-line\" x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\n",
            centre(from),
            centre(end)
        ));
    }
}

fn legend(out: &mut String, y: usize) {
    let mut x = 24;
    for level in LEVELS {
        out.push_str(&format!(
            "<rect class=\"pic-head pic-{}\" x=\"{x}\" y=\"{}\" width=\"20\" height=\"16\" rx=\"3\"/>\
             <text class=\"pic-key\" x=\"{}\" y=\"{y}\">{}</text>\n",
            level.class(),
            y - 13,
            x + 28,
            level.words()
        ));
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
            "no layer would stop it from reading that, but no part of it does",
        ),
    ];
    for (x, mark, text) in words {
        out.push_str(&format!(
            "<g transform=\"translate(0 {y})\">{mark}<text class=\"pic-key\" x=\"{}\" y=\"0\">{text}</text></g>\n",
            x + 30
        ));
    }
}

/// The last parts of a path, which tell it from the others.
fn short(path: &str) -> String {
    path.strip_prefix("/var/lib/waagent/").unwrap_or(path).replace("/run/waagent/", "/run/\u{2026}/")
}

fn centre(lane: usize) -> usize {
    LEFT + extent(lane, LANE) + LANE / 2
}

fn extent(count: usize, each: usize) -> usize {
    count * each
}

/// Room for the words of a line.
const LEFT: usize = 430;
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
.pic-could { fill: #ffffff; stroke: #57606a; stroke-width: 1.4; }
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
