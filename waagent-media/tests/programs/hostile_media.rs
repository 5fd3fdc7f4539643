//! Media that somebody has tampered with: always an answer, never a panic, a long wait or much memory.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use waagent_common::fault::{Exit, Fault};
use waagent_media::medium::{Content, open};
use waagent_support::{Mutable, Random, computed};

use crate::images::udf::{self, Form, seal, u16_at, u32_at};
use crate::images::{self, OVF};

/// What is read from an image, if anything.
fn read(image: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let Content::Medium(mut medium) = open(Cursor::new(image))? else { return Ok(None) };
    let Some(entry) = medium.find("ovf-env.xml").cloned() else { return Ok(None) };
    medium.read(&entry, 1 << 20).map(Some)
}

#[track_caller]
fn refuses(image: &[u8], why: &str) {
    let fault = read(image).unwrap_err();
    assert_eq!(fault.exit, Exit::Data, "{fault}");
    assert!(fault.text.contains(why), "{fault}");
}

fn bytes(make: impl Fn(&Path) -> std::path::PathBuf) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::read(make(dir.path())).unwrap()
}

fn udf_with(form: Form) -> Vec<u8> {
    bytes(|dir| udf::image(dir, 2048, "2.01", form, "ovf-env.xml", OVF.repeat(30).as_bytes()))
}

/// Where the first descriptor with this tag and this byte is.
fn descriptor(image: &[u8], tags: &[u16], at: usize, value: u8) -> usize {
    (0..image.len() / 2048)
        .map(|sector| sector * 2048)
        .find(|start| {
            tags.contains(&u16_at(image, *start))
                && image[start + at] == value
                && u32_at(image, start + 12) != 0
        })
        .unwrap()
}

/// Changes a descriptor of 2048 bytes and makes its checksums good again.
fn forge(image: &mut [u8], start: usize, change: impl Fn(&mut [u8])) {
    let length = usize::from(u16_at(image, start + 10)) + 16;
    change(&mut image[start..start + length]);
    seal(&mut image[start..start + length]);
}

#[test]
fn an_empty_or_short_device_is_no_medium() {
    for size in [0, 1, 511, 512, 2048, 32 << 10, (32 << 10) + 1, 40 << 10] {
        assert_eq!(read(&vec![0; size]).unwrap(), None, "{size}");
    }
}

#[test]
fn a_truncated_medium_is_refused_wherever_it_ends() {
    let image = bytes(images::bridge);
    for sectors in (17..image.len() / 2048).step_by(3) {
        // The file lies near the end: a cut before it can't read it, whatever the structures say.
        if let Ok(Some(read)) = read(&image[..sectors * 2048]) {
            assert_eq!(read, OVF.as_bytes());
        }
    }
    refuses(&image[..30 * 2048], "damaged");
}

#[test]
fn a_list_of_extents_that_continues_in_itself_is_refused() {
    assert_eq!(read(&udf_with(Form::Continued)).unwrap().unwrap(), OVF.repeat(30).as_bytes());
    refuses(&udf_with(Form::Circle), "goes round in a circle");
}

#[test]
fn a_huge_file_is_refused_before_memory_is_asked_for() {
    let mut image = udf_with(Form::Short);
    let file = descriptor(&image, &[261, 266], 27, 5);
    forge(&mut image, file, |entry| entry[56..64].copy_from_slice(&u64::MAX.to_le_bytes()));
    refuses(&image, "more than the 1048576 allowed");
    forge(&mut image, file, |entry| entry[56..64].copy_from_slice(&(1_u64 << 20).to_le_bytes()));
    refuses(&image, "shorter than its entry says");
}

#[test]
fn an_extent_beyond_the_partition_or_the_device_is_refused() {
    let mut image = udf_with(Form::Short);
    let file = descriptor(&image, &[261, 266], 27, 5);
    let lengths = if u16_at(&image, file) == 261 { 168 } else { 208 };
    forge(&mut image, file, |entry| {
        entry[lengths + 12..lengths + 16].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    refuses(&image, "isn't in the partition");
    let mut image = udf_with(Form::Short);
    for sector in 0..image.len() / 2048 {
        if u16_at(&image, sector * 2048) == 5 && u16_at(&image, sector * 2048 + 10) == 496 {
            forge(&mut image, sector * 2048, |partition| partition[188..196].fill(0xff));
        }
    }
    refuses(&image, "aren't on a device");
}

#[test]
fn a_hole_and_a_strange_form_are_refused() {
    let mut image = udf_with(Form::Short);
    let file = descriptor(&image, &[261, 266], 27, 5);
    let lengths = if u16_at(&image, file) == 261 { 168 } else { 208 };
    forge(&mut image, file, |entry| entry[lengths + 11] = 0x80);
    refuses(&image, "holes");
    forge(&mut image, file, |entry| entry[34] = 2);
    refuses(&image, "form 2");
}

#[test]
fn a_wrong_checksum_is_refused_and_the_other_half_of_a_bridge_is_read() {
    let mut image = udf_with(Form::Embedded);
    let root = descriptor(&image, &[261, 266], 27, 4);
    image[root + 60] ^= 1;
    refuses(&image, "wrong checksum");
    let mut bridge = bytes(images::bridge);
    let root = descriptor(&bridge, &[261], 27, 4);
    bridge[root + 60] ^= 1;
    assert_eq!(read(&bridge).unwrap().unwrap(), OVF.as_bytes());
}

#[test]
fn more_than_4096_entries_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let content = images::content(dir.path());
    for number in 0..4096 {
        fs::write(content.join(format!("f{number}")), "").unwrap();
    }
    for options in [&["-udf"][..], &["-R"]] {
        refuses(&fs::read(images::iso9660(dir.path(), options)).unwrap(), "more than 4096 entries");
    }
}

#[test]
fn an_iso_root_folder_beyond_the_device_or_too_big_is_refused() {
    let good = bytes(|dir| images::iso9660(dir, &[]));
    let root = 16 * 2048 + 156;
    for (at, why) in [(2, "aren't on a device"), (10, "its root folder has")] {
        let mut image = good.clone();
        image[root + at..root + at + 4].fill(0xff);
        refuses(&image, why);
    }
    // A folder that refers to itself as a file is read as what it is: bytes.
    let mut image = good.clone();
    let folder = usize::try_from(u32_at(&image, root + 2)).unwrap() * 2048;
    let name = image[folder..folder + 2048].windows(11).position(|window| window == b"OVF_ENV.XML").unwrap();
    let record = folder + name - 33;
    image.copy_within(root + 2..root + 18, record + 2);
    assert_eq!(read(&image).unwrap().unwrap().len(), 2048);
    image[record] = 20;
    refuses(&image, "ends in an entry");
}

#[test]
fn thousands_of_mutations_are_answered_quickly() {
    let images = [
        bytes(images::bridge),
        bytes(|dir| images::iso9660(dir, &["-R", "-J"])),
        udf_with(Form::Continued),
        udf_with(Form::Long),
    ];
    let mut seeds = images.map(|image| (interesting(&image), Mutable::new(image)));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut answers, mut refusals) = (0, 0);
    for round in 0..6000 {
        let (interesting, seed) = &mut seeds[round % 4];
        for _ in 0..=random.below(64) {
            // Most of the changes where the structures are, and most of them with good checksums.
            let sector = interesting[random.below(interesting.len())];
            let at =
                if random.below(4) > 0 { sector + random.below(512) } else { random.below(seed.image.len()) };
            let byte = random.byte(seed.image[at]);
            seed.change(at, 1)[0] = byte;
            let sector = at / 2048 * 2048;
            let length = usize::from(u16_at(&seed.image, sector + 10)) + 16;
            if random.below(16) > 0 && length <= 2048 && u16_at(&seed.image, sector) < 300 {
                seal(seed.change(sector, length));
            }
        }
        let begin = computed();
        match read(&seed.image) {
            Ok(_) => answers += 1,
            Err(fault) => {
                assert_eq!(fault.exit, Exit::Data, "{fault}");
                refusals += 1;
            }
        }
        let work = computed().saturating_sub(begin);
        assert!(work < Duration::from_secs(5), "{work:?}");
        seed.restore();
    }
    assert!(answers > 500 && refusals > 500, "{answers} read, {refusals} refused");
}

/// Sectors with a tag, a volume descriptor or a folder.
fn interesting(image: &[u8]) -> Vec<usize> {
    (0..image.len() / 2048)
        .map(|sector| sector * 2048)
        .filter(|start| {
            let tag = u16_at(image, *start);
            (1..=9).contains(&tag)
                || (256..=266).contains(&tag)
                || &image[start + 1..start + 6] == b"CD001"
                || image[*start] == 34
        })
        .filter(|start| start + 2048 <= image.len())
        .collect()
}
