//! Disks that somebody has tampered with: the readers always answer, and never say that a disk is fresh by mistake.

use std::fs;
use std::time::Duration;

use waagent_common::fault::Exit;
use waagent_disk::resource::ntfs::{Contents, contents};
use waagent_disk::resource::superblock::Signatures;
use waagent_disk::resource::table::{self, Table};
use waagent_support::{Mutable, Random, computed};

use crate::disks::Bench;

/// An NTFS volume of 8 MiB with these files.
fn volume(files: &[&str]) -> Vec<u8> {
    let bench = Bench::sized(9 << 20);
    bench.platform();
    for file in files {
        bench.ntfs_file(file);
    }
    bench.bytes().split_off(1 << 20)
}

#[test]
fn reads_label_and_foreign_files_of_a_real_volume() {
    let fresh = Contents { label: "Temporary Storage".to_owned(), foreign: 0, example: None };
    assert_eq!(contents(volume(&[]).as_slice()).unwrap(), fresh);
    assert_eq!(contents(volume(&["dataloss_warning_README.txt"]).as_slice()).unwrap(), fresh);
    let used = contents(volume(&["a", "b", "DATALOSS_WARNING_README.txt"]).as_slice()).unwrap();
    assert_eq!((used.foreign, used.example.as_deref()), (2, Some("a")));
}

#[test]
fn a_tampered_ntfs_volume_is_answered() {
    let mut volume = Mutable::new(volume(&["thesis.doc"]));
    let table = volume.image.windows(4).position(|window| window == b"FILE").unwrap();
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut answers, mut refusals) = (0, 0);
    for _ in 0..3000 {
        for _ in 0..=random.below(6) {
            // Boot sector, the file table's own record, any record.
            let at = match random.below(4) {
                0 => random.below(80),
                1 => table + random.below(512),
                _ => table + random.below(80 << 10),
            };
            let byte = random.byte(volume.image[at]);
            volume.change(at, 1)[0] = byte;
        }
        let begin = computed();
        match contents(volume.image.as_slice()) {
            Ok(_) => answers += 1,
            Err(fault) => {
                assert_eq!(fault.exit, Exit::Data, "{fault}");
                refusals += 1;
            }
        }
        let work = computed().saturating_sub(begin);
        assert!(work < Duration::from_secs(5), "{work:?}");
        volume.restore();
    }
    assert!(answers > 100 && refusals > 100, "{answers} read, {refusals} refused");
}

#[test]
fn folders_that_are_each_others_parents_are_followed_to_an_end() {
    let mut volume = volume(&["thesis.doc"]);
    // The file's name says that its parent is the file itself.
    let name: Vec<u8> = "thesis.doc".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let parents: Vec<usize> = volume
        .windows(name.len())
        .enumerate()
        .filter(|(_, window)| *window == name)
        .map(|(at, _)| at - 66)
        .collect();
    let records: Vec<usize> = (0..volume.len() / 1024)
        .map(|block| block * 1024)
        .filter(|at| volume[*at..at + 4] == *b"FILE")
        .collect();
    let table = records[0];
    for parent in parents {
        let own = records.iter().rev().find(|record| **record < parent).unwrap();
        let number = u64::try_from((own - table) / 1024).unwrap();
        volume[parent..parent + 6].copy_from_slice(&number.to_le_bytes()[..6]);
    }
    assert_eq!(contents(volume.as_slice()).unwrap().foreign, 1);
}

#[test]
fn tampered_partition_tables_are_answered() {
    let gpt = Bench::sized(4 << 20);
    gpt.table("label: gpt\nsize=1024\nsize=1024\n");
    let mbr = Bench::sized(4 << 20);
    mbr.table("label: dos\nsize=1024, type=7\nsize=1024\n");
    let mut seeds = [gpt.bytes(), mbr.bytes()].map(Mutable::new);
    let read = |seed: &Mutable| table::read(seed.image.as_slice(), 512);
    assert!(matches!(read(&seeds[0]).unwrap(), Table::Gpt(parts) if parts.len() == 2));
    assert!(matches!(read(&seeds[1]).unwrap(), Table::Mbr(parts) if parts.len() == 2));
    let mut random = Random(77);
    let mut damaged = 0;
    for attempt in 0..2000 {
        let seed = &mut seeds[attempt % 2];
        for _ in 0..=random.below(3) {
            let at = 440 + random.below(800);
            let byte = random.byte(seed.image[at]);
            seed.change(at, 1)[0] = byte;
        }
        match read(seed) {
            Ok(Table::Damaged(_)) => damaged += 1,
            Ok(Table::Mbr(parts) | Table::Gpt(parts)) => {
                assert!(parts.iter().all(|part| part.start > 0 && part.start + part.length <= 4 << 20));
            }
            Ok(Table::None) => {}
            Err(fault) => assert_eq!(fault.exit, Exit::Data, "{fault}"),
        }
        seed.restore();
    }
    assert!(damaged > 250, "{damaged}");
}

#[test]
fn random_ends_of_a_disk_are_never_blank() {
    let mut random = Random(99);
    for size in [1_usize, 511, 4096, 100_000, 3 << 20] {
        let mut disk = vec![0; size];
        assert!(Signatures::read(disk.as_slice()).unwrap().is_blank());
        let at = random.below(size.min(1 << 20));
        disk[at] = 1;
        assert!(!Signatures::read(disk.as_slice()).unwrap().is_blank());
    }
}

#[test]
fn an_unreadable_disk_is_a_failure_and_never_blank() {
    let bench = Bench::new();
    // The file behind the device ends early: reads beyond fail with EIO.
    fs::OpenOptions::new()
        .write(true)
        .open(bench.machine.path("disk.img"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    bench.resource(&[]).refuses(74, "cannot read the disk");
    assert_eq!(bench.state(), "failed");
}
