//! waagent-media: what it reads, keeps, releases and refuses.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{
    EventFFlags, Fanotify, FanotifyResponse, InitFlags, MarkFlags, MaskFlags, Response,
};
use waagent_common::digest::sha256;
use waagent_common::documents::ProvisionState;
use waagent_media::find::{Missing, among, candidates};
use waagent_support::layouts::{LAYOUTS, machine_has_its_own};
use waagent_support::{Loop, Machine};

use crate::images::{self, OVF};

const MEDIA: &str = "waagent-media";
const COPY: &str = "run/waagent/media/ovf-env.xml";
const DOCUMENT: &str = "run/waagent/media/media.json";

/// A machine with a bridge medium, read.
fn read() -> (Machine, String) {
    let machine = Machine::new();
    let device = images::bridge(machine.dir.path()).display().to_string();
    machine.run(MEDIA, &["--device", &device]).says("read ovf-env.xml");
    (machine, device)
}

#[test]
fn keeps_the_file_for_provisioning_and_tells_nothing_of_it() {
    let (machine, device) = read();
    assert_eq!(fs::read_to_string(machine.path(COPY)).unwrap(), OVF);
    assert_eq!(fs::read(machine.path("run/waagent/media/CustomData.bin")).unwrap(), vec![7; 70_000]);
    assert_eq!(machine.mode(COPY), 0o640);
    let document = machine.document(DOCUMENT);
    let body = &document["body"];
    assert_eq!((body["state"].as_str(), body["file_system"].as_str()), (Some("read"), Some("udf")));
    assert_eq!(
        (body["device"].as_str(), body["size"].as_u64()),
        (Some(&*device), Some(OVF.len().try_into().unwrap()))
    );
    assert_eq!(document["sandbox"]["no_new_privs"], true);
    assert!(!document.to_string().contains("canary-password"));
}

#[test]
fn a_second_run_changes_nothing() {
    let (machine, device) = read();
    let before = machine.snapshot();
    machine.run(MEDIA, &["--device", &device]).says("nothing to do: the medium was read in this boot");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn reads_again_what_a_killed_run_left_half_done() {
    let (machine, device) = read();
    fs::write(machine.path(COPY), "half").unwrap();
    machine.run(MEDIA, &["--device", &device]).says("read ovf-env.xml");
    assert_eq!(fs::read_to_string(machine.path(COPY)).unwrap(), OVF);
    fs::remove_file(machine.path(DOCUMENT)).unwrap();
    machine.run(MEDIA, &["--device", &device]).says("read ovf-env.xml");
    assert_eq!(machine.document(DOCUMENT)["body"]["state"], "read");
}

#[test]
fn reads_a_block_device() {
    let machine = Machine::new();
    let device = Loop::attach(&images::xorriso(machine.dir.path()));
    machine.run(MEDIA, &["--device", &device.node]).says("(iso9660)");
    assert_eq!(fs::read_to_string(machine.path(COPY)).unwrap(), OVF);
}

#[test]
fn ends_at_once_where_the_machine_is_provisioned() {
    let machine = Machine::new();
    fs::write(machine.path("var/lib/waagent/provisioned"), "").unwrap();
    let device = images::bridge(machine.dir.path()).display().to_string();
    machine.run(MEDIA, &["--device", &device]).says("nothing to do: this machine is provisioned");
    assert!(!machine.path(COPY).exists());
}

#[test]
fn a_missing_drive_is_no_failure() {
    let machine = Machine::new();
    // A marker that makes no sense: not the first boot, so nothing is waited for.
    fs::create_dir(machine.path("var/lib/waagent/provisioned")).unwrap();
    machine.run(MEDIA, &[]).says("no provisioning medium: there is no CD or DVD drive");
    assert_eq!(machine.document(DOCUMENT)["body"]["state"], "absent");
}

#[test]
fn leaves_the_medium_to_cloud_init() {
    let machine = Machine::new();
    machine.configure("Provisioning.Agent=cloud-init\n");
    let device = images::bridge(machine.dir.path()).display().to_string();
    machine.run(MEDIA, &["--device", &device]).says("left the medium to cloud-init");
    assert_eq!(machine.document(DOCUMENT)["body"]["state"], "left-to-cloud-init");
    assert!(!machine.path(COPY).exists());
}

#[test]
fn leaves_the_medium_alone_where_the_word_for_who_provisions_is_unknown() {
    let machine = Machine::new();
    let device = images::bridge(machine.dir.path()).display().to_string();
    machine.configure("Provisioning.Agent=Nobody\n");
    machine.run(MEDIA, &["--device", &device]).says("Provisioning.Agent=disabled");
    assert!(!machine.path(COPY).exists());
    machine.configure("Provisioning.Agent=waagent\n");
    machine.run(MEDIA, &["--device", &device]).says("read ovf-env.xml");
}

#[test]
fn leaves_the_medium_to_a_cloud_init_that_will_run_and_to_no_other() {
    if machine_has_its_own() {
        return;
    }
    for layout in LAYOUTS {
        let machine = Machine::new();
        machine.configure("Provisioning.Agent=auto\n");
        layout.make(machine.dir.path());
        let device = images::bridge(machine.dir.path()).display().to_string();
        machine.run(MEDIA, &["--device", &device]).says(if layout.provisions {
            "left the medium to cloud-init"
        } else {
            "read ovf-env.xml"
        });
        assert_eq!(machine.path(COPY).exists(), !layout.provisions, "{}", layout.name);
    }
}

#[test]
fn looks_again_when_provisioning_asks_for_it_and_answers_each_request_once() {
    let (machine, device) = read();
    let media = || machine.run(MEDIA, &["--device", &device]);
    machine.provisioned_as(ProvisionState::Ready);
    media().says("removed the copy of ovf-env.xml");
    let ask = |word: &str| fs::write(machine.path("run/waagent/provision/release"), word).unwrap();
    ask("look again: 1\n");
    media().says("read ovf-env.xml");
    assert_eq!(machine.document(DOCUMENT)["inputs"]["request"], sha256(b"look again: 1\n"));
    let before = machine.snapshot();
    media().says("nothing to do: this machine is provisioned");
    assert_eq!(machine.snapshot(), before);
    // Done with it: as after the first boot.
    ask("provisioning is finished\n");
    media().says("removed the copy of ovf-env.xml");
    ask("look again: 2\n");
    fs::remove_file(&device).unwrap();
    fs::write(&device, vec![0; 1 << 20]).unwrap();
    media().says("no provisioning medium");
    let document = machine.document(DOCUMENT);
    assert_eq!(document["body"]["state"], "absent");
    assert_eq!(document["inputs"]["request"], sha256(b"look again: 2\n"), "no is an answer, too");
}

/// A path unit would miss it: the word comes while its service runs.
#[test]
fn a_word_of_provisioning_that_comes_meanwhile_is_taken_too() {
    let (machine, device) = read();
    machine.provisioned_as(ProvisionState::Provisioning);
    let word = machine.path("run/waagent/provision/release");
    fs::write(&word, "look again: 1\n").unwrap();
    // The program is held where it opens the first word, until the next one is in its place.
    let held = Fanotify::init(InitFlags::FAN_CLASS_CONTENT, EventFFlags::O_RDONLY).unwrap();
    held.mark(MarkFlags::FAN_MARK_ADD, MaskFlags::FAN_OPEN_PERM, AT_FDCWD, Some(&word)).unwrap();
    let media = machine.command(MEDIA, &["--device", &device]).stderr(Stdio::piped()).spawn().unwrap();
    let opened = held.read_events().unwrap();
    fs::rename(&word, word.with_extension("old")).unwrap();
    machine.provisioned_as(ProvisionState::Ready);
    held.write_response(FanotifyResponse::new(opened[0].fd().unwrap(), Response::FAN_ALLOW)).unwrap();
    drop(held);
    let said = media.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(machine.document(DOCUMENT)["body"]["state"], "released");
    assert!(!machine.path(COPY).exists());
}

#[test]
fn a_medium_that_was_released_is_read_again_where_the_machine_is_not_provisioned_any_more() {
    let (machine, device) = read();
    machine.provisioned_as(ProvisionState::Ready);
    machine.run(MEDIA, &["--device", &device]).says("removed the copy of ovf-env.xml");
    machine.run(MEDIA, &["--device", &device]).says("nothing to do: the medium is released");
    fs::remove_file(machine.path("var/lib/waagent/provisioned")).unwrap();
    machine.run(MEDIA, &["--device", &device]).says("read ovf-env.xml");
    assert_eq!(fs::read_to_string(machine.path(COPY)).unwrap(), OVF);
}

#[test]
fn releases_only_after_provisioning_has_recorded_its_success() {
    let (machine, device) = read();
    machine.provisioned_as(ProvisionState::Provisioning);
    machine.run(MEDIA, &["--device", &device]).says("nothing to do: the medium was read");
    assert!(machine.path(COPY).exists());

    machine.provisioned_as(ProvisionState::Ready);
    machine.run(MEDIA, &["--device", &device]).says("removed the copy of ovf-env.xml").says("has no tray");
    assert!(!machine.path(COPY).exists() && !machine.path("run/waagent/media/CustomData.bin").exists());
    assert!(Path::new(&device).exists());
    let body = machine.document(DOCUMENT)["body"].clone();
    assert_eq!((body["state"].as_str(), body["file_system"].as_str()), (Some("released"), Some("udf")));

    let before = machine.snapshot();
    machine.run(MEDIA, &["--device", &device]).says("nothing to do: the medium is released");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn keeps_the_copy_where_provisioning_failed() {
    let (machine, device) = read();
    machine.provisioned_as(ProvisionState::Failed);
    machine.run(MEDIA, &["--device", &device]).says("nothing to do");
    assert!(machine.path(COPY).exists());
}

#[test]
fn asks_pid_1_to_mount_a_fat_medium_and_reads_it_there() {
    let machine = Machine::new();
    let image = machine.path("fat.img");
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    waagent_support::run("mkfs.vfat", &[image.to_str().unwrap()]);
    let device = image.display().to_string();
    machine.configure("Provisioning.Agent=waagent\n");
    machine.run(MEDIA, &["--device", &device]).says("is FAT");
    let asked =
        || fs::read_to_string(machine.path("run/waagent/media/mount")).map_or(0, |text| text.lines().count());
    assert!(fs::read_to_string(machine.path("run/waagent/media/mount")).unwrap().contains("FAT"));
    // A mount that fails starts the program again: that comes to an end.
    let again = [2, 3, 0, 1];
    for times in again {
        machine.run(MEDIA, &["--device", &device]).says("is FAT");
        assert_eq!(asked(), times);
    }

    fs::create_dir_all(machine.path("mnt/cdrom/secure")).unwrap();
    fs::write(machine.path("mnt/cdrom/secure/ovf-env.xml"), OVF).unwrap();
    machine.run(MEDIA, &["--device", &device]).says("(vfat)");
    assert_eq!(fs::read_to_string(machine.path(COPY)).unwrap(), OVF);
    assert!(!machine.path("run/waagent/media/mount").exists());
}

#[test]
fn refuses_a_damaged_medium_and_says_so_in_the_document() {
    let machine = Machine::new();
    let path = images::bridge(machine.dir.path());
    let device = path.display().to_string();
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..40 * 2048]).unwrap();
    machine.run(MEDIA, &["--device", &device]).refuses(65, "the medium is damaged").refuses(65, &device);
    assert_eq!(machine.document(DOCUMENT)["body"]["state"], "absent");
    assert!(!machine.path(COPY).exists());
    fs::write(&path, &good).unwrap();
    machine.run(MEDIA, &["--device", &device]).says("read ovf-env.xml");
}

#[test]
fn refuses_a_device_that_is_none() {
    let machine = Machine::new();
    machine.run(MEDIA, &["--device", "/no/such/device"]).refuses(66, "'/no/such/device'");
    machine.run(MEDIA, &["--device", "/dev/null"]).refuses(64, "neither a block device nor an image");
    assert!(!machine.path(DOCUMENT).exists());
}

#[test]
fn one_run_at_a_time() {
    let machine = Machine::new();
    let _held = waagent_common::lock::Lock::take(&machine.root(), "media").unwrap();
    machine.run(MEDIA, &[]).refuses(75, "another run");
}

#[test]
fn chooses_the_medium_by_content_and_refuses_two() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    fs::write(dirs[0].path().join("other.iso"), vec![0; 1 << 20]).unwrap();
    let loops = [
        Loop::attach(&dirs[0].path().join("other.iso")),
        Loop::attach(&images::bridge(dirs[1].path())),
        Loop::attach(&images::xorriso(dirs[2].path())),
    ];
    let found = |chosen: &[&Loop]| {
        let sysfs = tempfile::tempdir().unwrap();
        for device in chosen {
            let disk = sysfs.path().join("block").join(device.name());
            fs::create_dir_all(disk.join("device")).unwrap();
            fs::write(disk.join("device/type"), "5\n").unwrap();
            fs::write(disk.join("dev"), device.number()).unwrap();
        }
        let machine = Machine::new();
        among(&machine.root(), &candidates(sysfs.path(), Path::new("/dev")))
    };
    let [empty, bridge, second] = &loops;
    assert_eq!(found(&[empty, bridge]).unwrap().device, Path::new(&bridge.node));
    assert!(matches!(found(&[empty]), Err(Missing::Nothing(_))));
    let refused = found(&[bridge, second, empty]);
    assert!(
        matches!(&refused, Err(Missing::Refused(fault)) if fault.text.contains("two media")),
        "{refused:?}"
    );
}
