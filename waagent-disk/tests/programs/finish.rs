//! waagent-disk resource --mounted: warning file and swap file on the mounted disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::disks::{Bench, CONFIGURATION, MIB};

#[test]
fn finishes_after_the_mount() {
    let bench = Bench::sized(512 * MIB);
    bench
        .machine
        .configure(&format!("{CONFIGURATION}ResourceDisk.EnableSwap=y\nResourceDisk.SwapSizeMB=65\n"));
    bench.resource(&[]).says("formatted");
    bench.resource(&["--mounted"]).refuses(75, "isn't mounted at '/mnt/resource'");
    let script = "mount $P $M; $D --mounted; test -s $M/DATALOSS_WARNING_README.txt; stat -c '%a %s %U' $M/swapfile; \
                  $D; fsck.ext4 -n $P; cat $M/DATALOSS*; false";
    let ran = bench.shell(script);
    assert!(ran.err.contains("made swap file") && ran.err.contains("asked for swap on"), "{ran:#?}");
    assert!(ran.out.contains("600 68157440 root"), "{ran:#?}");
    assert!(ran.out.contains("TEMPORARY DISK"), "{ran:#?}");
    let body = bench.body();
    assert_eq!((body["state"].as_str(), body["phase"].as_str()), (Some("mounted"), Some("mounted")));
    assert_eq!(
        (body["swap"]["state"].as_str(), body["swap"]["size_bytes"].as_u64()),
        (Some("ready"), Some(68_157_440))
    );
    let flag = fs::read_to_string(bench.machine.path("run/waagent/disk/swap")).unwrap();
    assert_eq!(flag.trim(), bench.machine.path("mnt/resource/swapfile").to_str().unwrap());
}

#[test]
fn swap_that_is_on_is_left_on() {
    let Some(bench) = Bench::for_swap(512 * MIB) else { return };
    bench
        .machine
        .configure(&format!("{CONFIGURATION}ResourceDisk.EnableSwap=y\nResourceDisk.SwapSizeMB=32\n"));
    bench.resource(&[]).says("formatted");
    bench
        .shell("mount $P $M; $D --mounted; trap 'swapoff $M/swapfile' EXIT; swapon $M/swapfile; $D --mounted")
        .says("swap: in-use");
}

#[test]
fn swap_works_on_each_file_system_that_can_hold_it() {
    for file_system in ["ext2", "ext3", "ext4", "xfs", "btrfs"] {
        let Some(bench) = Bench::for_swap(512 * MIB) else { return };
        bench.machine.configure(&format!(
            "ResourceDisk.Format=y\nResourceDisk.Filesystem={file_system}\nResourceDisk.EnableSwap=y\nResourceDisk.SwapSizeMB=32\n"
        ));
        bench.resource(&[]).says("formatted");
        let ran =
            bench.shell("mount $P $M; $D --mounted; swapon $M/swapfile; swapoff $M/swapfile; $D --mounted");
        ran.says("asked for swap").says("nothing to do");
    }
}

#[test]
fn a_swap_file_that_is_not_good_is_made_again_and_one_that_is_not_ours_is_refused() {
    let bench = Bench::sized(512 * MIB);
    bench
        .machine
        .configure(&format!("{CONFIGURATION}ResourceDisk.EnableSwap=y\nResourceDisk.SwapSizeMB=32\n"));
    bench.resource(&[]).says("formatted");
    for (damage, made_again) in [
        ("chmod 644 $M/swapfile", true),
        ("truncate -s 16M $M/swapfile", true),
        ("rm $M/swapfile; truncate -s 32M $M/swapfile; chmod 600 $M/swapfile; mkswap -q $M/swapfile", true),
        ("dd if=/dev/zero of=$M/swapfile bs=4096 count=1 conv=notrunc", true),
        ("chown 1 $M/swapfile", false),
        ("ln $M/swapfile $M/link", false),
        ("rm $M/swapfile; ln -s /etc/passwd $M/swapfile", false),
        ("rm $M/swapfile; mkdir $M/swapfile", false),
    ] {
        let ran = bench.shell(&format!("mount $P $M; $D --mounted; {damage} 2>/dev/null; $D --mounted; stat -c %a $M/swapfile; rm -rf $M/swapfile $M/link"));
        let state = bench.body()["swap"]["state"].clone();
        if made_again {
            assert_eq!(
                ran.says("made swap file").err.matches("made swap file").count(),
                2,
                "{damage}: {ran:#?}"
            );
            assert!(state == "ready" && ran.out.contains("600"), "{damage}: {ran:#?}");
        } else {
            ran.says("no swap: ").says("remove it");
            assert_eq!(state, "untrusted", "{damage}");
        }
    }
}

#[test]
fn no_swap_without_a_size_without_room_or_without_its_encryption() {
    for (lines, state, why) in [
        ("ResourceDisk.SwapSizeMB=0", "invalid-size", "ResourceDisk.SwapSizeMB"),
        ("ResourceDisk.SwapSizeMB=60", "too-large", "set a smaller ResourceDisk.SwapSizeMB"),
        (
            "ResourceDisk.SwapSizeMB=16\nResourceDisk.EnableSwapEncryption=y",
            "encryption-unsupported",
            "EnableSwapEncryption=y",
        ),
    ] {
        let bench = Bench::sized(128 * MIB);
        bench.machine.configure(&format!("{CONFIGURATION}ResourceDisk.EnableSwap=y\n{lines}\n"));
        bench.resource(&[]).says("formatted");
        bench.shell("mount $P $M; $D --mounted; ! test -e $M/swapfile").says(why);
        assert_eq!(bench.body()["swap"]["state"], state);
        assert!(!bench.machine.path("run/waagent/disk/swap").exists());
    }
}

#[test]
fn the_swap_file_is_private_from_its_first_byte() {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let bench = Bench::sized(512 * MIB);
    bench
        .machine
        .configure(&format!("{CONFIGURATION}ResourceDisk.EnableSwap=y\nResourceDisk.SwapSizeMB=128\n"));
    bench.resource(&[]).says("formatted");
    // The mount is seen from here through the shell's root, while it waits for a line.
    let mut shell = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-euc", "mount $P $M; echo; read line; $D --mounted; read line"])
        .env("P", bench.partition())
        .env("M", bench.machine.path("mnt/resource"))
        .env(
            "D",
            format!(
                "{} resource --device {} --root {}",
                env!("CARGO_BIN_EXE_waagent-disk"),
                bench.disk.node,
                bench.machine.dir.path().display()
            ),
        )
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut byte).unwrap();
    let point = format!("/proc/{}/root{}", shell.id(), bench.machine.path("mnt/resource").display());
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    inotify
        .add_watch(
            point.as_str(),
            AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ATTRIB,
        )
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"go\n").unwrap();
    let swap = std::path::Path::new(&point).join("swapfile");
    let mut seen = 0;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !bench.machine.path("run/waagent/disk/swap").exists() && Instant::now() < deadline {
        for event in inotify.read_events().unwrap() {
            if event.name.as_deref() == Some(std::ffi::OsStr::new("swapfile")) {
                assert_eq!(fs::metadata(&swap).unwrap().permissions().mode() & 0o7777, 0o600);
                assert!(!event.mask.contains(AddWatchFlags::IN_ATTRIB), "its mode or owner was changed");
                seen += 1;
            }
        }
        if seen > 1 {
            break;
        }
    }
    std::io::Write::write_all(&mut input, b"end\n").unwrap();
    assert!(shell.wait().unwrap().success() && seen > 0);
}
