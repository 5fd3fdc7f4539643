//! The decision table, row by row, on loop devices.

use std::fs;
use std::process::Command;

use waagent_support::Loop;
use waagent_support::run;

use crate::disks::{Bench, MIB, SIZE};

#[test]
fn formats_a_blank_disk() {
    let bench = Bench::new();
    bench.is_formatted("it was blank");
    let table = Command::new("sfdisk").args(["--dump", &bench.disk.node]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("label: dos") && table.contains("start=        2048"), "{table}");
    assert!(table.contains("type=83"), "{table}");
    run("fsck.ext4", &["-fn", &bench.partition()]);
}

#[test]
fn formats_with_each_file_system_that_can_be_asked_for() {
    for file_system in ["ext2", "ext3", "xfs", "btrfs", "vfat"] {
        let bench = Bench::sized(320 * MIB);
        bench.machine.configure(&format!("ResourceDisk.Format=y\nResourceDisk.Filesystem={file_system}\n"));
        if file_system == "vfat" {
            // This kernel has none, which is found out before the first byte is written.
            let before = bench.bytes();
            bench.resource(&[]).refuses(69, "this kernel has no vfat");
            assert_eq!(bench.state(), "tool-missing");
            assert!(bench.bytes() == before);
            continue;
        }
        bench.resource(&[]).says(&format!("as {file_system}, 319 MiB; it was blank"));
        bench.is_prepared(file_system);
    }
}

#[test]
fn formats_a_disk_above_2_tib_with_a_gpt() {
    let bench = Bench::sized(3 << 40);
    // All of ext4's tables for 3 TiB would be sparse, but many; xfs has few.
    bench.machine.configure("ResourceDisk.Format=y\nResourceDisk.Filesystem=xfs\n");
    bench.resource(&[]).says("formatted 'loop");
    bench.is_prepared("xfs");
    let verified = Command::new("sfdisk").args(["--verify", &bench.disk.node]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
    let table = Command::new("sfdisk").args(["--dump", &bench.disk.node]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("label: gpt") && table.contains("0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
        "{table}"
    );
    bench.resource(&[]).says("nothing to do").says("made by an earlier run");
}

#[test]
fn formats_what_the_platform_gives() {
    let bench = Bench::new();
    bench.platform();
    bench.ntfs_file("DATALOSS_WARNING_README.txt");
    bench.is_formatted("it was as the platform gives it");
    let table = Command::new("sfdisk").args(["--dump", &bench.disk.node]).output().unwrap();
    assert!(String::from_utf8(table.stdout).unwrap().contains("type=83"));
}

#[test]
fn formats_what_the_platform_gives_on_large_disks() {
    for table in [
        "label: gpt\nstart=2048, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n",
        "label: gpt\nstart=2048, size=32768, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE\nstart=34816, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n",
    ] {
        let bench = Bench::sized(96 * MIB);
        bench.table(table);
        let number = if table.contains("34816") { 2 } else { 1 };
        Bench::ntfs(&format!("{}p{number}", bench.disk.node), "Temporary Storage");
        bench.is_formatted("it was as the platform gives it");
        run("fsck.ext4", &["-fn", &bench.partition()]);
    }
}

#[test]
fn refuses_ntfs_that_holds_a_file() {
    let bench = Bench::new();
    bench.platform();
    bench.ntfs_file("thesis.doc");
    bench.is_left("foreign", "the NTFS volume holds 1 files or folders, one is 'thesis.doc'");
}

#[test]
fn sees_what_was_written_through_the_partition_while_somebody_has_the_disk_open() {
    let bench = Bench::new();
    bench.platform();
    // Whoever has the disk open keeps the kernel's cache of it alive, which the partition's writers don't change.
    let open = fs::File::open(&bench.disk.node).unwrap();
    let cached = fs::read(&bench.disk.node).unwrap();
    bench.ntfs_file("thesis.doc");
    assert!(
        fs::read(&bench.disk.node).unwrap() == cached,
        "this kernel has one cache: the test shows nothing"
    );
    bench.resource(&[]).says("left 'loop").says("one is 'thesis.doc'");
    drop(open);
    run("blockdev", &["--flushbufs", &bench.disk.node]);
    bench.is_left("foreign", "thesis.doc");
}

#[test]
fn refuses_ntfs_of_another_label() {
    let bench = Bench::new();
    bench.table("label: dos\nstart=2048, type=7\n");
    Bench::ntfs(&bench.partition(), "Data");
    bench.is_left("foreign", "labelled 'Data', not 'Temporary Storage'");
}

#[test]
fn refuses_ntfs_that_is_damaged() {
    let bench = Bench::new();
    bench.platform();
    let bytes = bench.bytes();
    let table = bytes.windows(5).position(|window| window == b"FILE0").unwrap();
    bench.write(u64::try_from(table + 510).unwrap(), b"!");
    bench.is_left("foreign", "the NTFS volume can't be read");
}

#[test]
fn mounts_a_file_system_of_the_configured_kind_and_never_formats_it() {
    let bench = Bench::new();
    bench.table("label: dos\nstart=2048, type=83\n");
    run("mkfs.ext4", &["-q", "-L", "mine", &bench.partition()]);
    let before = bench.bytes();
    bench.resource(&[]).says("made by somebody else, never formatted").says("asked for the mount");
    assert_eq!(bench.state(), "prepared");
    assert!(bench.bytes() == before);
    // Also where the kernel doesn't know the partition yet.
    run("partx", &["--delete", &bench.disk.node]);
    bench.resource(&[]).says("asked for the mount");
    assert!(bench.bytes() == before && fs::exists(bench.partition()).unwrap());
}

#[test]
fn refuses_another_file_system_than_the_configured() {
    for (file_system, size) in [("ext3", SIZE), ("xfs", 320 * MIB), ("btrfs", 128 * MIB)] {
        let bench = Bench::sized(size);
        bench.table("label: dos\nstart=2048, type=83\n");
        run(&format!("mkfs.{file_system}"), &["-q", &bench.partition()]);
        bench.is_left("foreign", &format!("partition 1 holds {file_system}"));
    }
}

#[test]
fn refuses_a_file_system_on_the_whole_disk() {
    let bench = Bench::new();
    run("mkfs.ext4", &["-q", "-F", &bench.disk.node]);
    bench.is_left("foreign", "it holds ext4");
}

#[test]
fn refuses_swap_lvm_luks_md_zfs_bcache_and_what_it_does_not_know() {
    for on_partition in [false, true] {
        for (offset, mark, what) in [
            (4086, &b"SWAPSPACE2"[..], "swap area"),
            (512, b"LABELONE\x01\0\0\0\0\0\0\0", "LVM physical volume"),
            (0, b"LUKS\xba\xbe\0\x02", "LUKS"),
            (4096, &[0xfc, 0x4e, 0x2b, 0xa9], "md member"),
            (128 << 10, &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0], "ZFS member"),
            (4120, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca], "bcache"),
            (777, b"x", "unknown data at byte 777"),
        ] {
            let bench = Bench::new();
            if on_partition {
                bench.table("label: dos\nstart=2048, type=83\n");
            }
            bench.write(offset + if on_partition { MIB } else { 0 }, mark);
            bench.is_left("foreign", what);
        }
    }
}

#[test]
fn refuses_marks_at_the_end_of_the_disk() {
    let size = SIZE;
    for (offset, mark, what) in [
        (size - 8192, &[0xfc, 0x4e, 0x2b, 0xa9][..], "md member"),
        (size - 65536, &[0xfc, 0x4e, 0x2b, 0xa9], "md member"),
        (size - 512, &[0xde, 0x11, 0xde, 0x11], "DDF RAID member"),
        (size - 1, b"x", "unknown data"),
    ] {
        let bench = Bench::new();
        bench.write(offset, mark);
        bench.is_left("foreign", what);
    }
}

#[test]
fn refuses_two_marks_at_once() {
    let bench = Bench::new();
    bench.platform();
    bench.write(MIB + 1080, &[0x53, 0xef]);
    bench.is_left("foreign", "ntfs and ext2");
}

#[test]
fn refuses_more_partitions_than_expected_and_a_table_without_one() {
    let bench = Bench::new();
    bench.table("label: dos\nstart=2048, size=16384, type=83\nstart=18432, type=83\n");
    bench.is_left("foreign", "it has 2 partitions");
    let bench = Bench::new();
    bench.write(510, &[0x55, 0xaa]);
    bench.is_left("foreign", "a partition table without a partition");
    let bench = Bench::new();
    bench.table("label: dos\nstart=2048, type=83\n");
    bench.is_left("foreign", "partition 1 holds nothing that is known");
}

#[test]
fn refuses_a_gpt_with_a_damaged_copy() {
    let bench = Bench::new();
    bench.table("label: gpt\nstart=2048, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n");
    Bench::ntfs(&bench.partition(), "Temporary Storage");
    bench.write(SIZE - 512 + 56, b"!");
    bench.is_left("foreign", "the GPT is damaged");
    bench.is_left("foreign", "sgdisk -v");
}

#[test]
fn refuses_a_disk_that_somebody_has_open_for_himself() {
    use std::os::unix::fs::OpenOptionsExt;
    let bench = Bench::new();
    let held = fs::OpenOptions::new().write(true).custom_flags(0o200).open(&bench.disk.node).unwrap();
    bench.is_left("busy", "somebody has it open for himself");
    drop(held);
    bench.is_formatted("it was blank");
}

#[test]
fn refuses_a_disk_that_is_mounted_elsewhere() {
    let bench = Bench::new();
    bench.table("label: dos\nstart=2048, type=83\n");
    run("mkfs.ext4", &["-q", &bench.partition()]);
    fs::create_dir(bench.machine.path("elsewhere")).unwrap();
    let elsewhere = bench.machine.path("elsewhere").display().to_string();
    bench.shell(&format!("mount $P {elsewhere}; $D")).says("somebody else mounted it at");
    assert_eq!(
        (bench.state().as_str(), bench.body()["mount_point"].as_str()),
        ("mounted", Some(&*elsewhere))
    );
    assert!(!bench.machine.path("run/waagent/disk/mount").exists());
    // In another namespace it is only seen to be in use.
    let waits = format!("mount $P {elsewhere}; nsenter --mount=/proc/$PPID/ns/mnt $D; ");
    bench.shell(&waits).says("somebody has it open for himself");
}

#[test]
fn refuses_a_disk_that_is_swapped_on() {
    let Some(bench) = Bench::for_swap(SIZE) else { return };
    bench.table("label: dos\nstart=2048, type=82\n");
    run("mkswap", &[&bench.partition()]);
    bench.shell("trap 'swapoff $P' EXIT; swapon $P; $D").says("is swapped on");
    assert_eq!(bench.state(), "busy");
}

#[test]
fn refuses_a_write_protected_disk() {
    let mut bench = Bench::new();
    bench.disk = Loop::attach_read_only(&bench.machine.path("disk.img"));
    bench.is_left("foreign", "write-protected");
}

#[test]
fn never_formats_ntfs_by_configuration() {
    let bench = Bench::new();
    bench.machine.configure("ResourceDisk.Format=y\nResourceDisk.Filesystem=ntfs\n");
    bench.is_left("foreign", "is never formatted");
    bench.platform();
    let before = bench.bytes();
    bench.resource(&[]).says("asked for the mount");
    assert!(bench.bytes() == before);
}
