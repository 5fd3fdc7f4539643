//! What an archive says is in it: every entry is looked at before the first byte is written.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;

use waagent_common::log;
use waagent_common::text::shown;
use zip::{CompressionMethod, ZipArchive};

use super::directory::{self, Directory};
use super::{Limits, names};

/// An entry that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the archive.
    pub index: usize,
    /// Its path below the handler's folder.
    pub parts: Vec<String>,
    /// A folder, or a file?
    pub is_folder: bool,
}

/// File type bits of the external attributes, see inode(7).
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
/// Files over this size are held to the ratio, in bytes.
const RATIO_FROM: u64 = 10 << 20;
const MAX_RATIO: u64 = 200;
/// Archives over this size unpacked are held to this ratio as a whole.
const TOTAL_RATIO_FROM: u64 = 1 << 30;
const MAX_TOTAL_RATIO: u64 = 100;
/// Longest target of a symbolic link.
const MAX_TARGET: u64 = 4096;
/// Flag of an entry whose sizes follow its data; and of an encrypted one.
const ENCRYPTED: u16 = 1;

/// Opens the archive and lists what is to be written, or says what is wrong with it.
pub fn list(archive: &File, limits: &Limits) -> Result<(ZipArchive<File>, Vec<Entry>), String> {
    let directory = directory::look(archive, limits)?;
    let handle = archive.try_clone().map_err(|e| e.to_string())?;
    let mut zip =
        ZipArchive::new(handle).map_err(|e| format!("no zip archive: {}", shown(&e.to_string())))?;
    agree(&zip, directory)?;
    let mut survey = Survey::default();
    for index in 0..zip.len() {
        survey.look(archive, &mut zip, index, limits)?;
    }
    survey.conclude(archive, limits).map(|entries| (zip, entries))
}

/// The library has found the same directory, and no two entries of one name (it keeps the last).
fn agree(zip: &ZipArchive<File>, directory: Directory) -> Result<(), String> {
    if zip.offset() != 0 || zip.central_directory_start() != directory.start {
        return Err("two central directories".to_owned());
    }
    if zip.len() == directory.entries { Ok(()) } else { Err("two entries of one name".to_owned()) }
}

#[derive(Debug, Default)]
struct Survey {
    entries: Vec<Entry>,
    kinds: HashMap<Vec<String>, bool>,
    implied: HashSet<Vec<String>>,
    total: u64,
    packed: Vec<(u64, u64)>,
}

impl Survey {
    fn look(
        &mut self,
        archive: &File,
        zip: &mut ZipArchive<File>,
        index: usize,
        limits: &Limits,
    ) -> Result<(), String> {
        let file = zip.by_index_raw(index).map_err(|e| shown(&e.to_string()))?;
        let name = file.name().to_owned();
        let refuse = |why: &str| Err(format!("entry '{}': {why}", shown(&name)));
        let (flags, local) = directory::local_header(archive, file.header_start())
            .map_err(|why| format!("entry '{}': {why}", shown(&name)))?;
        if local != file.name_raw() {
            return refuse("its local header has another name");
        }
        if file.encrypted() || flags & ENCRYPTED != 0 {
            return refuse("encrypted");
        }
        if !matches!(file.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return refuse("packed by another method than stored or deflate");
        }
        let mode = file.unix_mode().unwrap_or(0) & TYPE;
        if !matches!(mode, 0 | REGULAR | FOLDER | LINK) {
            return refuse("a device, pipe or socket");
        }
        let (size, packed) = (file.size(), file.compressed_size());
        if size > limits.file {
            return refuse(&format!("{size} bytes, more than the {} allowed", limits.file));
        }
        if size > RATIO_FROM && size / MAX_RATIO > packed {
            return refuse("packed more than 200 times");
        }
        self.total = self.total.saturating_add(size);
        if packed > 0 {
            self.packed.push((file.data_start(), packed));
        }
        let is_folder = mode == FOLDER || file.is_dir();
        drop(file);
        if mode == LINK {
            check_link(zip, index, &name)?;
        }
        self.place(index, &name, is_folder)
    }

    /// Notes the entry's place; a file where a folder is, or the reverse, is refused.
    fn place(&mut self, index: usize, name: &str, is_folder: bool) -> Result<(), String> {
        let parts = names::parts(name)?;
        if parts.is_empty() {
            return Ok(());
        }
        if names::is_ours(&parts) {
            log::warning(&format!("package entry '{}' is the agent's own, ignoring", shown(name)));
            return Ok(());
        }
        let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        if !is_folder && self.implied.contains(&parts) {
            return Err(format!("entry '{}': a file where a folder is", shown(name)));
        }
        match self.kinds.insert(parts.clone(), is_folder) {
            Some(true) if is_folder => return Ok(()),
            Some(_) => return Err(format!("two entries of one name '{}'", shown(name))),
            None => {}
        }
        for length in 1..parts.len() {
            let above = parts.get(..length).unwrap_or_default().to_vec();
            if self.kinds.get(&above) == Some(&false) {
                return Err(format!("entry '{}': a folder where a file is", shown(name)));
            }
            self.implied.insert(above);
        }
        self.entries.push(Entry { index, parts, is_folder });
        Ok(())
    }

    fn conclude(mut self, archive: &File, limits: &Limits) -> Result<Vec<Entry>, String> {
        if self.total > limits.unpacked {
            return Err(format!("{} bytes unpacked, more than the {} allowed", self.total, limits.unpacked));
        }
        let length = archive.metadata().map_err(|e| e.to_string())?.len();
        if self.total > TOTAL_RATIO_FROM && self.total / MAX_TOTAL_RATIO > length {
            return Err("packed more than 100 times".to_owned());
        }
        self.packed.sort_unstable();
        let overlap = self
            .packed
            .windows(2)
            .any(|pair| matches!(pair, [(start, size), (next, _)] if start.saturating_add(*size) > *next));
        if overlap { Err("entries that overlap".to_owned()) } else { Ok(self.entries) }
    }
}

/// A link's text must lead down; a bigger one is no link.
fn check_link(zip: &mut ZipArchive<File>, index: usize, name: &str) -> Result<(), String> {
    let mut target = Vec::new();
    let file = zip.by_index(index).map_err(|e| shown(&e.to_string()))?;
    file.take(MAX_TARGET).read_to_end(&mut target).map_err(|e| shown(&e.to_string()))?;
    if names::is_harmless_target(&target) {
        Ok(())
    } else {
        Err(format!("entry '{}': a symbolic link that leads out of the folder", shown(name)))
    }
}
