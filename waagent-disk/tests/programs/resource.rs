//! waagent-disk resource: owners, mount point, plan, reruns, kills, the finishing run.

use std::fs;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use waagent_common::config::Config;
use waagent_disk::resource::owner;
use waagent_support::Machine;
use waagent_support::layouts::{LAYOUTS, machine_has_its_own};
use waagent_support::run;

use crate::disks::{Bench, CONFIGURATION, MIB, SIZE};

#[test]
fn a_second_run_changes_nothing() {
    let bench = Bench::new();
    bench.resource(&[]).says("formatted");
    let (disk, body) = (bench.bytes(), bench.body());
    let documents = ["resource.json", "journal.json"]
        .map(|name| fs::read_to_string(bench.machine.path("var/lib/waagent/disk").join(name)).unwrap());
    bench.resource(&[]).says("nothing to do").says("made by an earlier run");
    assert!(bench.bytes() == disk);
    assert_eq!(bench.body(), body);
    for (name, before) in ["resource.json", "journal.json"].iter().zip(documents) {
        assert_eq!(
            fs::read_to_string(bench.machine.path("var/lib/waagent/disk").join(name)).unwrap(),
            before
        );
    }
}

/// A view of `/dev` for the calling thread, with nothing but the link that cloud-init's configuration goes by.
fn with_cloud_inits_link() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("test"), "/dev", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    fs::create_dir_all("/dev/disk/cloud").unwrap();
    fs::write("/dev/disk/cloud/azure_resource", "").unwrap();
}

#[test]
fn leaves_the_disk_to_a_cloud_init_that_will_run_and_to_no_other() {
    if machine_has_its_own() {
        return;
    }
    with_cloud_inits_link();
    for layout in LAYOUTS {
        let machine = Machine::new();
        machine.configure(CONFIGURATION);
        layout.make(machine.dir.path());
        fs::create_dir_all(machine.path("etc/cloud")).unwrap();
        fs::write(machine.path("etc/cloud/cloud.cfg"), "cloud_init_modules:\n - disk_setup\n").unwrap();
        let config = Config::load(machine.dir.path(), None).unwrap();
        let owner = owner::other(&machine.root(), &config);
        assert_eq!(owner.as_deref() == Some("cloud-init"), layout.provisions, "{}: {owner:?}", layout.name);
    }
}

#[test]
fn a_plan_changes_nothing_and_says_why() {
    let bench = Bench::new();
    bench.platform();
    let (disk, files) = (bench.bytes(), bench.machine.snapshot());
    let output = bench
        .machine
        .command("waagent-disk", &["resource", "--device", &bench.disk.node, "--plan"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("would format") && said.contains("partition 1: ntfs"),
        "{said}"
    );
    assert!(bench.bytes() == disk);
    let without_lock = |files: Vec<(std::path::PathBuf, u64, Vec<u8>)>| -> Vec<_> {
        files
            .into_iter()
            .filter(|(path, _, _)| !path.ends_with("lock") && !path.ends_with("disk.img"))
            .collect()
    };
    assert!(without_lock(bench.machine.snapshot()) == without_lock(files));
}

#[test]
fn a_run_that_is_killed_anywhere_is_finished_by_the_next() {
    for fresh in [false, true] {
        let mut killed = 0;
        for step in 0..16 {
            let bench = Bench::new();
            if fresh {
                bench.platform();
            }
            let arguments = ["resource", "--device", &bench.disk.node];
            let mut child = bench.machine.command("waagent-disk", &arguments).spawn().unwrap();
            wait(Duration::from_millis(4 * step));
            if child.try_wait().unwrap().is_none() {
                killed += 1;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            bench.machine.wait_for_the_lock("disk");
            // mkfs outlives its killer for a moment, and holds the disk.
            let deadline = Instant::now() + Duration::from_secs(20);
            while bench.resource(&[]).says("").err.contains("in use") || bench.state() == "busy" {
                assert!(Instant::now() < deadline, "still busy");
            }
            let journal = bench.machine.document("var/lib/waagent/disk/journal.json")["body"].clone();
            assert_eq!(bench.state(), "prepared", "step {step}: {journal:#} {:#}", bench.body());
            bench.is_prepared("ext4");
            run("fsck.ext4", &["-fn", &bench.partition()]);
            assert_eq!(journal["phase"], "done");
        }
        assert!(killed > 3, "only {killed} runs were killed");
    }
}

/// Lets the program come as far as it comes in this time.
fn wait(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A disk that was formatted, and its journal set back to this phase.
fn interrupted(phase: &str) -> Bench {
    let bench = Bench::new();
    bench.resource(&[]).says("formatted");
    let journal = bench.machine.path("var/lib/waagent/disk/journal.json");
    let text = fs::read_to_string(&journal).unwrap().replace("\"done\"", &format!("\"{phase}\""));
    fs::write(journal, text).unwrap();
    bench
}

#[test]
fn formats_again_what_a_power_cut_left_half_made() {
    // Formatting: a partition with a piece of our file system, or with nothing.
    for damage in [&[0; 4096][..], b"half of a superblock"] {
        let bench = interrupted("formatting");
        bench.write(MIB + 1024, damage);
        bench.resource(&[]).says("a run was stopped while it formatted this disk");
        bench.is_prepared("ext4");
    }
    // Partitioning: no table yet.
    let bench = interrupted("partitioning");
    bench.write(0, &[0; 512]);
    bench.resource(&[]).says("a run was stopped");
    bench.is_prepared("ext4");
}

#[test]
fn a_journal_allows_nothing_on_another_disk_or_beside_foreign_data() {
    for (offset, mark, why) in
        [(MIB + 4086, &b"SWAPSPACE2"[..], "swap area"), (MIB, b"LUKS\xba\xbe", "LUKS"), (MIB, b"XFSB", "xfs")]
    {
        let bench = interrupted("formatting");
        bench.write(offset, mark);
        let before = bench.bytes();
        bench.resource(&[]).says("left 'loop").says(why);
        assert!(bench.bytes() == before);
    }
    // Of another size: decided afresh, and that is an ext4 without its superblock.
    let bench = interrupted("formatting");
    bench.write(MIB + 1024, &[0; 1024]);
    let journal = bench.machine.path("var/lib/waagent/disk/journal.json");
    let text = fs::read_to_string(&journal).unwrap().replace(&SIZE.to_string(), &(SIZE + 1).to_string());
    fs::write(journal, text).unwrap();
    bench.resource(&[]).says("left 'loop").says("partition 1");
    assert_eq!(bench.state(), "foreign");
    // Finished: never again.
    let bench = Bench::new();
    bench.resource(&[]).says("formatted");
    bench.write(MIB + 1024, &[0; 1024]);
    bench.resource(&[]).says("left 'loop");
}

#[test]
fn repairs_a_file_system_with_errors_and_reports_one_that_it_cannot() {
    let bench = Bench::new();
    bench.resource(&[]).says("formatted");
    let debugfs = |command: &str| run("debugfs", &["-w", "-R", command, &bench.partition()]);
    debugfs("set_super_value state 2");
    bench.resource(&[]).says("repaired the file system").says("asked for the mount");
    run("fsck.ext4", &["-fn", &bench.partition()]);

    debugfs("clri <2>");
    debugfs("set_super_value state 2");
    bench.resource(&[]).says("left 'loop").says("can't be repaired without a decision");
    assert_eq!(bench.state(), "damaged");

    // What somebody else made is his to repair.
    let bench = Bench::new();
    bench.table("label: dos\nstart=2048, type=83\n");
    run("mkfs.ext4", &["-q", &bench.partition()]);
    run("debugfs", &["-w", "-R", "set_super_value state 2", &bench.partition()]);
    let before = bench.bytes();
    bench.resource(&[]).says("asked for the mount");
    assert!(bench.bytes() == before);
}

#[test]
fn leaves_the_disk_to_its_other_owners() {
    for (file, text, owner) in [
        ("etc/waagent.conf", "ResourceDisk.Format=n\n", "ResourceDisk.Format=n"),
        ("etc/fstab", "/dev/disk/cloud/azure_resource-part1 /mnt auto nofail 0 2\n", "fstab: "),
        ("etc/fstab", "/dev/vdx1 /mnt/resource ext4 nofail 0 2\n", "fstab: "),
        ("etc/fstab", "LABEL=AzureEphmDsk /mnt ext4 defaults 0 2\n", "fstab: "),
        (
            "etc/azure-ephemeral-disk-setup.conf",
            "AZURE_EPHEMERAL_DISK_SETUP_SCSI_RESOURCE=true\n",
            "azure-ephemeral-disk-setup",
        ),
    ] {
        let bench = Bench::new();
        fs::write(bench.machine.path(file), text).unwrap();
        if owner == "azure-ephemeral-disk-setup" {
            let wants = bench.machine.path("etc/systemd/system/multi-user.target.wants");
            fs::create_dir_all(&wants).unwrap();
            std::os::unix::fs::symlink("/x", wants.join("azure-ephemeral-disk-setup.service")).unwrap();
        }
        let before = bench.bytes();
        bench.resource(&[]).says("the resource disk is left to others").says(owner);
        assert_eq!(bench.state(), "managed-by");
        assert!(bench.bytes() == before && !bench.machine.path("run/waagent/disk/mount").exists());
    }
    // A comment, and an entry about something else, are none.
    let bench = Bench::new();
    fs::write(
        bench.machine.path("etc/fstab"),
        "#/dev/disk/azure/resource-part1 /mnt auto\n/dev/vdx / ext4\n",
    )
    .unwrap();
    bench.is_formatted("it was blank");
}

#[test]
fn refuses_a_mount_point_that_holds_something_or_leads_elsewhere() {
    let bench = Bench::new();
    fs::write(bench.machine.path("mnt/resource/mine.txt"), "x").unwrap();
    bench.is_left("mount-point-not-empty", "isn't empty: mine.txt");
    fs::rename(bench.machine.path("mnt/resource"), bench.machine.path("mnt/other")).unwrap();
    std::os::unix::fs::symlink("other", bench.machine.path("mnt/resource")).unwrap();
    let before = bench.bytes();
    bench.resource(&[]).refuses(71, "a symbolic link");
    assert!(bench.bytes() == before);
    fs::remove_file(bench.machine.path("mnt/resource")).unwrap();
    bench.is_formatted("it was blank");
}

#[test]
fn refuses_what_the_configuration_asks_for_and_cannot_be_done() {
    for (line, why) in [
        ("ResourceDisk.MountPoint=/srv", "cannot use ResourceDisk.MountPoint '/srv'"),
        ("ResourceDisk.Filesystem=../../bin/sh", "cannot use ResourceDisk.Filesystem"),
        ("ResourceDisk.MountOptions=a b", "cannot use ResourceDisk.MountOptions"),
    ] {
        let bench = Bench::new();
        bench.machine.configure(&format!("{CONFIGURATION}{line}\n"));
        let before = bench.bytes();
        bench.resource(&[]).refuses(78, why);
        assert!(bench.bytes() == before);
    }
}

#[test]
fn a_machine_without_the_disk_is_no_failure() {
    let machine = Machine::new();
    machine.configure(CONFIGURATION);
    machine.run("waagent-disk", &["resource"]).says("there is no resource disk on this size of machine");
    assert_eq!(machine.document("var/lib/waagent/disk/resource.json")["body"]["state"], "absent");
    machine.run("waagent-disk", &["resource"]).says("nothing to do");
}

#[test]
fn refuses_a_device_that_is_no_disk() {
    let machine = Machine::new();
    machine.configure(CONFIGURATION);
    machine.run("waagent-disk", &["resource", "--device", "/dev/null"]).refuses(64, "it is no block device");
    machine.run("waagent-disk", &["resource", "--device", "/no/such"]).refuses(66, "'/no/such'");
    machine.run("waagent-disk", &[]).refuses(64, "a command is missing");
    let bench = Bench::new();
    bench.resource(&[]).says("formatted");
    bench
        .machine
        .run("waagent-disk", &["resource", "--device", &bench.partition()])
        .refuses(64, "a partition, not a disk");
}

#[test]
fn media_is_waagent_media() {
    let machine = Machine::new();
    machine
        .run("waagent-disk", &["media", "--device", "/no/such"])
        .refuses(66, "waagent-media: error: cannot open");
}
