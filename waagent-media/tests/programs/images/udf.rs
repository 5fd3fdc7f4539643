//! Puts a file into what `mkudffs` made: no kernel here can, and the tool can't.

use std::fs;
use std::path::{Path, PathBuf};

use waagent_common::bytes;

use super::run;

/// How the file's content is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Within the entry.
    Embedded,
    /// Short descriptors, one a block.
    Short,
    /// Long descriptors, one a block.
    Long,
    /// The first descriptor in the entry, the others in a block that continues it.
    Continued,
    /// The same, but that block continues in itself.
    Circle,
}

/// An empty file system of this block size and revision, then `name` with `content` in its root folder.
pub fn image(folder: &Path, block: usize, revision: &str, form: Form, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join("dvd.udf");
    fs::write(&path, vec![0; 4 << 20]).unwrap();
    let (block_size, revision) = (format!("--blocksize={block}"), format!("--udfrev={revision}"));
    run("mkudffs", &["--media-type=hd", &block_size, &revision, "--label=LABEL", path.to_str().unwrap()]);
    let mut image = fs::read(&path).unwrap();
    insert(&mut image, block, form, name, content);
    fs::write(&path, image).unwrap();
    path
}

fn insert(image: &mut [u8], block: usize, form: Form, name: &str, content: &[u8]) {
    let root = (0..image.len() / block)
        .map(|number| number * block)
        .find(|at| matches!(u16_at(image, *at), 261 | 266) && image[at + 27] == 4)
        .expect("mkudffs made a root folder");
    let start = root - block * usize::try_from(u32_at(image, root + 12)).unwrap();
    let (lengths, header) = if u16_at(image, root) == 261 { (168, 176) } else { (208, 216) };
    // Far behind what mkudffs made, and before the anchors at the end.
    let entry = (image.len() - start) / block / 2;
    let mut file = image[root..root + header].to_vec();
    file[27] = 5;
    put32(&mut file, 12, entry);
    put32(&mut file, lengths, 0);
    file[56..64].copy_from_slice(&u64::try_from(content.len()).unwrap().to_le_bytes());
    let descriptors = describe(image, start, block, entry, form, content);
    file[34] = match form {
        Form::Embedded => 3,
        Form::Long => 1,
        _ => 0,
    };
    put32(&mut file, lengths + 4, descriptors.len());
    file.extend(descriptors);
    seal(&mut file);
    image[start + entry * block..][..file.len()].copy_from_slice(&file);
    append_identifier(image, root, lengths, block, entry, name);
}

/// Lays the content down behind the entry, and describes it.
fn describe(
    image: &mut [u8],
    start: usize,
    block: usize,
    entry: usize,
    form: Form,
    content: &[u8],
) -> Vec<u8> {
    if form == Form::Embedded {
        return content.to_vec();
    }
    let mut descriptors = Vec::new();
    for (number, part) in content.chunks(block).enumerate() {
        let at = entry + 2 + number;
        image[start + at * block..][..part.len()].copy_from_slice(part);
        descriptors.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
        descriptors.extend(u32::try_from(at).unwrap().to_le_bytes());
        if form == Form::Long {
            descriptors.extend([0; 8]);
        }
    }
    if matches!(form, Form::Short | Form::Long) {
        return descriptors;
    }
    let mut onward = (3_u32 << 30 | u32::try_from(block).unwrap()).to_le_bytes().to_vec();
    onward.extend(u32::try_from(entry + 1).unwrap().to_le_bytes());
    let mut rest = if form == Form::Circle { onward.clone() } else { descriptors.split_off(8) };
    let mut list = vec![0; 24];
    list[0..2].copy_from_slice(&258_u16.to_le_bytes());
    list[2] = image[start + entry * block + 2].max(2);
    put32(&mut list, 12, entry + 1);
    put32(&mut list, 20, rest.len());
    list.append(&mut rest);
    seal(&mut list);
    image[start + (entry + 1) * block..][..list.len()].copy_from_slice(&list);
    descriptors.truncate(8);
    descriptors.extend(onward);
    descriptors
}

fn append_identifier(image: &mut [u8], root: usize, lengths: usize, block: usize, entry: usize, name: &str) {
    let mut identifier = vec![0; 38];
    identifier[0..2].copy_from_slice(&257_u16.to_le_bytes());
    identifier[2] = image[root + 2];
    identifier[16] = 1;
    identifier[19] = u8::try_from(name.len() + 1).unwrap();
    put32(&mut identifier, 20, block);
    put32(&mut identifier, 24, entry);
    identifier.push(8);
    identifier.extend(name.as_bytes());
    identifier.resize(identifier.len().next_multiple_of(4), 0);
    seal(&mut identifier);
    let attributes = usize::try_from(u32_at(image, root + lengths)).unwrap();
    let used = usize::try_from(u32_at(image, root + lengths + 4)).unwrap();
    assert_eq!(image[root + 34] & 7, 3, "mkudffs embeds the root folder");
    let at = root + lengths + 8 + attributes + used;
    image[at..at + identifier.len()].copy_from_slice(&identifier);
    let total = used + identifier.len();
    put32(image, root + lengths + 4, total);
    put32(image, root + 56, total);
    let mut sealed = image[root..at + identifier.len()].to_vec();
    seal(&mut sealed);
    image[root..root + sealed.len()].copy_from_slice(&sealed);
}

/// CRC and checksum of a descriptor's tag, over all that follows it.
pub fn seal(descriptor: &mut [u8]) {
    let crc = descriptor[16..].iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    let length = u16::try_from(descriptor.len() - 16).unwrap();
    descriptor[8..10].copy_from_slice(&crc.to_le_bytes());
    descriptor[10..12].copy_from_slice(&length.to_le_bytes());
    descriptor[4] = 0;
    descriptor[4] = descriptor[..16].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes::u16_at(bytes, at).unwrap()
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes::u32_at(bytes, at).unwrap()
}

fn put32(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
}
