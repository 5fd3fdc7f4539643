//! The decision table: what may be done with a disk in this state. Whatever isn't in it is left alone.

use std::path::PathBuf;

use super::facts::{Facts, Part};
use super::file_system::{FileSystem, Maker};
use super::journal::Phase;
use super::partition::{Kind, Partition};
use super::superblock::{Signature, Signatures};
use super::table::Table;
use super::wanted::{LABEL, Wanted};

/// Label of what the platform makes.
const PLATFORM_LABEL: &str = "Temporary Storage";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make table and file system; the disk holds nothing.
    Format(BlankDisk),
    /// Mount what is there.
    Mount {
        /// The partition.
        part: Partition,
        /// UUID of its file system.
        uuid: Option<String>,
        /// Why.
        why: String,
    },
    /// It is mounted there already.
    Mounted {
        /// Where.
        point: PathBuf,
        /// File system.
        file_system: String,
    },
    /// In use by others.
    Busy(String),
    /// It may hold data, or can't be written.
    Foreign(String),
}

/// A disk that holds nothing worth keeping. Only [`decide`] makes one, and only such a disk is ever written.
#[derive(Debug, PartialEq, Eq)]
pub struct BlankDisk {
    layout: Layout,
    maker: &'static Maker,
    why: String,
}

/// Which table it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A new one.
    New,
    /// The platform's, of which only the type changes.
    Converted(Partition),
}

impl BlankDisk {
    /// Which table it gets.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Which file system it gets.
    pub(crate) const fn maker(&self) -> &'static Maker {
        self.maker
    }

    /// Why it may be written.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }
}

/// The table, row by row.
pub fn decide(facts: &Facts, wanted: &Wanted) -> Decision {
    if let Some(taken) = in_use(facts) {
        return taken;
    }
    let Some(maker) = wanted.file_system.maker() else {
        let note = format!("ResourceDisk.Filesystem={} is never formatted", wanted.file_system);
        return only_mount(facts, wanted.file_system, &note);
    };
    let Some((layout, why)) = writable(facts, maker) else {
        return only_mount(facts, wanted.file_system, "");
    };
    if facts.is_read_only {
        return Decision::Foreign("it is write-protected".to_owned());
    }
    Decision::Format(BlankDisk { layout, maker, why })
}

/// Rows "already mounted" and "busy".
fn in_use(facts: &Facts) -> Option<Decision> {
    if let Some(mount) = facts.mounts.first() {
        let (point, file_system) = (mount.point.clone(), mount.file_system.clone());
        return Some(Decision::Mounted { point, file_system });
    }
    if !facts.holders.is_empty() {
        return Some(Decision::Busy(format!("held by {}", facts.holders.join(", "))));
    }
    if let Some(path) = facts.swaps.first() {
        return Some(Decision::Busy(format!("'{}' is swapped on", path.display())));
    }
    facts.is_held.then(|| Decision::Busy("somebody has it open for himself".to_owned()))
}

/// Rows "fresh", "blank" and "half-made": how the disk is to be written, and why that loses nothing.
fn writable(facts: &Facts, maker: &Maker) -> Option<(Layout, String)> {
    if let Some(going_on) = half_made(facts, maker) {
        return Some(going_on);
    }
    match (&facts.table, facts.parts.as_slice()) {
        (Table::None, []) if facts.whole.is_blank() => Some((Layout::New, "it was blank".to_owned())),
        (Table::Mbr(_), [only]) if is_fresh(only) && has_only_a_table(&facts.whole) => {
            Some((Layout::Converted(only.entry.clone()), fresh()))
        }
        (Table::Gpt(_), [only]) if is_fresh(only) && has_only_a_table(&facts.whole) => {
            Some((Layout::New, fresh()))
        }
        (Table::Gpt(_), [reserved, only])
            if reserved.entry.kind == Kind::Reserved && is_fresh(only) && has_only_a_table(&facts.whole) =>
        {
            Some((Layout::New, fresh()))
        }
        _ => None,
    }
}

fn fresh() -> String {
    "it was as the platform gives it, NTFS without a file".to_owned()
}

/// As the platform gives it: NTFS of that label with nothing but what the platform puts there.
fn is_fresh(part: &Part) -> bool {
    part.entry.kind == Kind::Windows && is_as_the_platform_left_it(part)
}

fn is_as_the_platform_left_it(part: &Part) -> bool {
    part.signatures.is_only(FileSystem::Ntfs)
        && matches!(&part.ntfs, Some(Ok(contents)) if contents.label == PLATFORM_LABEL && contents.foreign == 0)
}

/// The whole disk has no mark of its own beside its partition table.
fn has_only_a_table(whole: &Signatures) -> bool {
    whole.found.iter().all(|found| *found == Signature::Gpt)
}

/// A run was stopped while it made this disk, which shows nothing but what that run made.
fn half_made(facts: &Facts, maker: &Maker) -> Option<(Layout, String)> {
    let journal = facts.journal.as_ref()?;
    let why = "a run was stopped while it formatted this disk".to_owned();
    let ours = [journal.file_system, maker.file_system].map(Signature::FileSystem);
    let is_entry = |part: &Part| (part.entry.start, part.entry.length) == (journal.start, journal.length);
    match (&facts.table, facts.parts.as_slice(), journal.phase) {
        // The table came into being: no table yet, or half of one, and nothing else.
        (Table::None | Table::Damaged(_), [], Phase::Partitioning) if has_only_a_table(&facts.whole) => {
            Some((Layout::New, why))
        }
        // The table is there, and the partition holds nothing, or what we were making; or what was fresh before it.
        (Table::Mbr(_) | Table::Gpt(_), [only], _) if is_entry(only) && has_only_a_table(&facts.whole) => {
            let is_wiped = only.entry.kind == Kind::Linux
                && only.signatures.found.iter().all(|found| ours.contains(found));
            (is_wiped || is_as_the_platform_left_it(only))
                .then(|| (Layout::Converted(only.entry.clone()), why))
        }
        _ => None,
    }
}

/// Rows "ours", "of the configured file system" and "foreign".
fn only_mount(facts: &Facts, file_system: FileSystem, note: &str) -> Decision {
    match (&facts.table, facts.parts.as_slice()) {
        (Table::Mbr(_) | Table::Gpt(_), [only])
            if only.signatures.is_only(file_system) && has_only_a_table(&facts.whole) =>
        {
            let is_ours = only.label.as_deref() == Some(LABEL);
            let whose =
                if is_ours { "made by an earlier run" } else { "made by somebody else, never formatted" };
            let why = format!("it has one partition with {file_system}, {whose}");
            Decision::Mount { part: only.entry.clone(), uuid: only.uuid.clone(), why }
        }
        _ => {
            let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
            Decision::Foreign(format!("{}{note}", what_is_there(facts)))
        }
    }
}

/// For people: what was found that isn't in the table.
fn what_is_there(facts: &Facts) -> String {
    match (&facts.table, facts.parts.as_slice()) {
        (Table::Damaged(why), _) => why.clone(),
        (Table::None, _) if !facts.whole.found.is_empty() => {
            format!("it holds {}", facts.whole.named(" and "))
        }
        (Table::None, _) => match facts.whole.first_data {
            Some(at) => format!("it has no partition table, and unknown data at byte {at}"),
            None => "it is blank".to_owned(),
        },
        (_, []) => "it has a partition table without a partition".to_owned(),
        (_, [only]) => in_partition(only),
        (_, parts) => format!("it has {} partitions: {}", parts.len(), list(parts)),
    }
}

fn in_partition(part: &Part) -> String {
    let number = part.entry.number;
    match (&part.ntfs, part.signatures.found.as_slice(), part.signatures.first_data) {
        (Some(Err(fault)), ..) => fault.text.clone(),
        (Some(Ok(contents)), ..) if contents.foreign > 0 => format!(
            "the NTFS volume holds {} files or folders, one is '{}'; remove them or mount it yourself",
            contents.foreign,
            waagent_common::text::shown(contents.example.as_deref().unwrap_or_default())
        ),
        (Some(Ok(contents)), ..) => {
            format!(
                "the NTFS volume is labelled '{}', not '{PLATFORM_LABEL}'",
                waagent_common::text::shown(&contents.label)
            )
        }
        (None, [], Some(at)) => format!("partition {number} has unknown data at byte {at}"),
        (None, [], None) => format!("partition {number} holds nothing that is known"),
        (None, _, _) => format!("partition {number} holds {}", part.signatures.named(" and ")),
    }
}

fn list(parts: &[Part]) -> String {
    let shown: Vec<String> = parts
        .iter()
        .take(5)
        .map(|part| {
            let found = part.signatures.named(" and ");
            format!("{} {}", part.entry.number, if found.is_empty() { "unknown" } else { &found })
        })
        .collect();
    shown.join(", ")
}
