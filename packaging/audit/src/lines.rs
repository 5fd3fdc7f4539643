//! The lines of the picture: what is outside of the agent, then the documents, each with who has to do with it.

use waagent_common::documents::catalogue::Entry;
use waagent_declaration::{Connects, Policy};

use crate::programs::Level;
use crate::reach::{OTHERS, documents, writer};
use crate::report::Sources;

/// A line of the picture: a thing or a document.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub root: String,
    /// What each lane has to do with it.
    pub marks: Vec<Mark>,
    /// Lane of the writer, where it is a document.
    pub from: Option<usize>,
}

/// What a program has to do with a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    Nothing,
    /// It could, but no part of it does.
    Could,
    /// It does: reaches a thing, or reads a document.
    Does,
    /// It writes the document.
    Writes,
}

/// Lines under a title.
pub type Group = (String, Vec<Row>);

/// What is outside first, then the documents of each writer in the order of a boot.
pub fn groups(sources: &Sources, lanes: &[&Policy]) -> Vec<Group> {
    let mut groups = vec![("The machine and the world".to_owned(), outside(sources, lanes))];
    let all = documents();
    for (lane, policy) in lanes.iter().enumerate() {
        let own = all.iter().filter(|entry| writer(entry) == policy.program);
        let (shared, kept): (Vec<&Entry>, Vec<&Entry>) = own.partition(|entry| {
            entry
                .readers
                .iter()
                .any(|reader| *reader != policy.program && lanes.iter().any(|other| other.program == *reader))
        });
        let mut rows: Vec<Row> = shared.iter().map(|entry| document(entry, lane, lanes, sources)).collect();
        rows.extend(OTHERS.iter().filter(|other| other.from == policy.program).map(|other| Row {
            name: other.name.to_owned(),
            root: short(other.path),
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
        _ if could(policy, &[entry], sources) => Mark::Could,
        _ => Mark::Nothing,
    });
    Row { name: entry.name.to_owned(), root: short(entry.path), marks, from: Some(lane) }
}

/// Could it read one of these? The unconfined lane says so of everything, by its stripe.
fn could(policy: &Policy, entries: &[&Entry], sources: &Sources) -> bool {
    Level::of(policy) != Level::Unconfined
        && entries.iter().any(|entry| sources.layers().may_read(policy, entry))
}

/// Documents that no other program reads, on one line.
fn for_itself(kept: &[&Entry], lane: usize, lanes: &[&Policy], sources: &Sources) -> Option<Row> {
    if kept.is_empty() {
        return None;
    }
    let names: Vec<&str> = kept.iter().map(|entry| entry.name).collect();
    let marks = marks(lanes, |at, policy| match at {
        _ if at == lane => Mark::Writes,
        _ if could(policy, kept, sources) => Mark::Could,
        _ => Mark::Nothing,
    });
    let (first, rest) = names.split_at(names.len().min(2));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    Some(Row {
        name: format!("{}{more}", first.join(", ")),
        root: "for itself, for people".to_owned(),
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
        ("Handlers' folders", "<handler>-<version>", key("waagent_ext_lib_t")),
        (
            "Flags that PID 1 acts on",
            "/run/…/{media,disk,provision}",
            writes(&["/run/waagent/media", "/run/waagent/disk", "/run/waagent/provision"]),
        ),
        (
            "Starts units",
            "waagent-ext-run@ alone",
            Box::new(|policy| {
                let rules = sources.module.of(policy.program).map_or(&[][..], |section| &section.rules);
                rules.iter().any(|rule| rule.text.contains(":service {"))
            }),
        ),
        ("Runs other programs", "execve", Box::new(|policy| !policy.executes.is_empty())),
    ];
    rows.into_iter()
        .map(|(name, root, test)| Row {
            name: name.to_owned(),
            root: root.to_owned(),
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

/// The last parts of a path, which tell it from the others.
fn short(path: &str) -> String {
    path.strip_prefix("/var/lib/waagent/").unwrap_or(path).replace("/run/waagent/", "/run/\u{2026}/")
}
