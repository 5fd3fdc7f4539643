//! What an archive says is in it: every entry is looked at before the first byte is written.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::text::shown;

use super::directory::{self, Directory, FOLDER, Record, TYPE};
use super::{Limits, names};

/// An archive that was looked through, and what of it is to be written.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    archive: &'a File,
    directory: Directory,
    /// Numbers of records, in the order of their paths: what is below a folder follows it.
    entries: Vec<usize>,
}

const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
/// Files over this size are held to the ratio, in bytes.
const RATIO_FROM: u64 = 10 << 20;
const MAX_RATIO: u64 = 200;
/// Archives over this size unpacked are held to this ratio as a whole.
const TOTAL_RATIO_FROM: u64 = 1 << 30;
const MAX_TOTAL_RATIO: u64 = 100;
/// Longest target of a symbolic link.
const MAX_TARGET: u64 = 4096;
/// Flag of an encrypted entry.
const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Opens the archive and lists what is to be written, or says what is wrong with it.
pub(crate) fn list<'a>(archive: &'a File, limits: &Limits) -> Result<Listing<'a>, Fault> {
    let directory = directory::look(archive, limits)?;
    let mut survey = Survey::default();
    let mut entries = Vec::new();
    for index in 0..directory.len() {
        let record = directory.record(index)?;
        let name = record.name();
        survey
            .look(archive, &record, limits)
            .map_err(|fault| fault.of(format_args!("entry '{}'", shown(&name))))?;
        let parts = names::parts(&name)?;
        if names::is_ours(&parts) {
            survey.ours.get_or_insert_with(|| shown(&name));
        } else if !parts.is_empty() {
            entries.push(index);
        }
    }
    if let Some(name) = &survey.ours {
        log::warning(&format!("package entry '{name}' is the agent's own, ignoring it and others like it"));
    }
    survey.conclude(archive, limits)?;
    let mut listing = Listing { archive, directory, entries };
    listing.arrange(limits)?;
    Ok(listing)
}

impl Listing<'_> {
    /// The numbers of the entries, in the order of their paths.
    pub(crate) fn entries(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().copied()
    }

    /// What is known of an entry.
    pub(crate) fn record(&self, index: usize) -> Result<Record<'_>, Fault> {
        self.directory.record(index)
    }

    /// An entry's content.
    pub(crate) fn open(&self, index: usize) -> Result<Content<'_>, Fault> {
        let record = self.directory.record(index)?;
        let data = directory::local_header(self.archive, record.header)?.data;
        Ok(Content::new(self.archive, data, &record))
    }

    /// Puts the entries in order. Two of one path are then neighbours, and so are a file and what is said to be below
    /// it; folders that no entry names count as entries.
    fn arrange(&mut self, limits: &Limits) -> Result<(), Fault> {
        let Self { directory, entries, .. } = self;
        entries.sort_unstable_by(|one, other| compare(directory, *one, *other));
        let (mut count, mut before) = (0_usize, None);
        for index in entries.iter().copied() {
            let record = directory.record(index)?;
            let name = record.name();
            let parts = names::parts(&name)?;
            let mut common = 0;
            if let Some(before) = before.replace(index) {
                let earlier = directory.record(before)?;
                let above = earlier.name();
                let above = names::parts(&above)?;
                common = above.iter().zip(&parts).take_while(|(one, other)| one == other).count();
                let is_below = common == above.len() && !earlier.is_folder();
                if common == parts.len()
                    && common == above.len()
                    && !(record.is_folder() && earlier.is_folder())
                {
                    return Err(Fault::data(format!("two entries of one name '{}'", shown(&name))));
                }
                if is_below {
                    return Err(in_the_way(&earlier, &record, before < index));
                }
            }
            let implied = parts.len().saturating_sub(common.saturating_add(1));
            count = count.saturating_add(1).saturating_add(implied);
        }
        if count > limits.entries {
            let most = limits.entries;
            return Err(Fault::data(format!(
                "{count} entries, folders that none names included, more than the {most} allowed"
            )));
        }
        // A folder that is named twice is made once.
        entries.dedup_by(|one, other| compare(directory, *one, *other).is_eq());
        Ok(())
    }
}

/// By their paths, folder by folder; of one path in the order of the archive.
fn compare(directory: &Directory, one: usize, other: usize) -> Ordering {
    let (Ok(one), Ok(other)) = (directory.record(one), directory.record(other)) else {
        return Ordering::Equal;
    };
    one.spelling().compare(other.spelling())
}

fn in_the_way(file: &Record<'_>, below: &Record<'_>, file_first: bool) -> Fault {
    Fault::data(if file_first {
        format!("entry '{}': a folder where a file is", shown(&below.name()))
    } else {
        format!("entry '{}': a file where a folder is", shown(&file.name()))
    })
}

#[derive(Debug, Default)]
struct Survey {
    total: u64,
    /// Where contents begin, and how long they are as packed.
    packed: Vec<(u64, u64)>,
    /// The first entry that is the agent's own.
    ours: Option<String>,
}

impl Survey {
    fn look(&mut self, archive: &File, record: &Record<'_>, limits: &Limits) -> Result<(), Fault> {
        let refuse = |why: &str| Err(Fault::data(why));
        let local = directory::local_header(archive, record.header)?;
        if local.name != record.raw_name {
            return refuse("its local header has another name");
        }
        if (record.flags | local.flags) & ENCRYPTED != 0 {
            return refuse("encrypted");
        }
        if !matches!(record.method, STORED | DEFLATED) {
            return refuse("packed by another method than stored or deflate");
        }
        if !matches!(record.mode & TYPE, 0 | REGULAR | FOLDER | LINK) {
            return refuse("a device, pipe or socket");
        }
        let (size, packed) = (record.size, record.packed);
        if record.is_folder() && size > 0 {
            return refuse("a folder with content");
        }
        if size > limits.file {
            return refuse(&format!("{size} bytes, more than the {} allowed", limits.file));
        }
        if size > RATIO_FROM && size / MAX_RATIO > packed {
            return refuse("packed more than 200 times");
        }
        self.total = self.total.saturating_add(size);
        if packed > 0 {
            self.packed.push((local.data, packed));
        }
        if record.mode & TYPE == LINK {
            check_link(archive, local.data, record)?;
        }
        Ok(())
    }

    fn conclude(&mut self, archive: &File, limits: &Limits) -> Result<(), Fault> {
        if self.total > limits.unpacked {
            return Err(Fault::data(format!(
                "{} bytes unpacked, more than the {} allowed",
                self.total, limits.unpacked
            )));
        }
        let length = archive.metadata().map_err(|e| Fault::io(e.to_string()))?.len();
        if self.total > TOTAL_RATIO_FROM && self.total / MAX_TOTAL_RATIO > length {
            return Err(Fault::data("packed more than 100 times"));
        }
        self.packed.sort_unstable();
        let overlap = self
            .packed
            .windows(2)
            .any(|pair| matches!(pair, [(start, size), (next, _)] if start.saturating_add(*size) > *next));
        if overlap { Err(Fault::data("entries that overlap")) } else { Ok(()) }
    }
}

/// A link's text must lead down; a bigger one is no link.
fn check_link(archive: &File, data: u64, record: &Record<'_>) -> Result<(), Fault> {
    let mut target = Vec::new();
    let content = Content::new(archive, data, record);
    content.take(MAX_TARGET).read_to_end(&mut target).map_err(|e| Fault::data(shown(&e.to_string())))?;
    if names::is_harmless_target(&target) {
        Ok(())
    } else {
        Err(Fault::data("a symbolic link that leads out of the folder"))
    }
}

/// An entry's content, inflated as it is read; one that isn't what its checksum says ends in an error.
pub(crate) struct Content<'a> {
    plain: CrcReader<Box<dyn Read + 'a>>,
    checksum: u32,
}

impl<'a> Content<'a> {
    fn new(file: &'a File, data: u64, record: &Record<'_>) -> Self {
        let packed = Slice { file, at: data }.take(record.packed);
        let plain: Box<dyn Read + 'a> = match record.method {
            DEFLATED => Box::new(DeflateDecoder::new(packed)),
            _ => Box::new(packed),
        };
        Self { plain: CrcReader::new(plain), checksum: record.checksum }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.plain.crc().sum() != self.checksum {
            return Err(io::Error::other("its content has another checksum than the archive says"));
        }
        Ok(read)
    }
}

/// A file from this position on.
struct Slice<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}
