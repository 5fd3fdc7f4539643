//! A copy-on-write view of this machine for one test: own mount and UTS namespace, tmpfs above `/etc`, `/home`, `/var`,
//! `/run` and `/root`, a firmware identity, a console. The system's own tools change it, the machine stays untouched.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use waagent_common::digest::sha256;
use waagent_common::documents::{self, Document, Inputs, Media, MediaState, ProvisionStatus};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::types::Sha256;
use waagent_common::users::{gid_of, uid_of};

pub const UUID: &str = "D0DF4C54-4ECB-4A4B-9954-5BDF3ED5C3B8";
pub const SWAPPED: &str = "544CDFD0-CB4E-4B4A-9954-5BDF3ED5C3B8";

/// The calling thread's own view, gone with the thread.
pub struct World {
    layers: tempfile::TempDir,
    pub root: Root,
    _alone: MutexGuard<'static, ()>,
}

/// One view at a time: a test that kills a pass reaps what it left, whosever child it is.
static ALONE: Mutex<()> = Mutex::new(());

#[expect(clippy::unused_self, reason = "what acts on the view can't be called without one")]
impl World {
    /// `None`, loudly, without root.
    pub fn new() -> Option<Self> {
        if !waagent_untested::is_root("for namespaces") {
            return None;
        }
        // A test that failed has left nothing that the next one shares.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let layers = tempfile::tempdir().unwrap();
        tmpfs(layers.path());
        for tree in ["etc", "home", "var", "run", "root"] {
            let (upper, work) = (layers.path().join(tree), layers.path().join(format!("{tree}.work")));
            fs::create_dir(&upper).unwrap();
            fs::create_dir(&work).unwrap();
            let mode = fs::metadata(format!("/{tree}")).unwrap().permissions();
            fs::set_permissions(&upper, mode).unwrap();
            let data = format!("lowerdir=/{tree},upperdir={},workdir={}", upper.display(), work.display());
            let target = format!("/{tree}");
            mount(Some("overlay"), target.as_str(), Some("overlay"), MsFlags::empty(), Some(data.as_str()))
                .unwrap();
        }
        tmpfs(Path::new("/sys/class"));
        fs::create_dir_all("/sys/class/dmi/id").unwrap();
        fs::write("/sys/class/dmi/id/product_uuid", format!("{UUID}\n")).unwrap();
        let console = layers.path().join("console");
        fs::write(&console, "").unwrap();
        mount(Some(&console), "/dev/console", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        let root = Root::new(Path::new("/"));
        let world = Self { layers, root, _alone: alone };
        world.prepare();
        Some(world)
    }

    /// The machine's own folder that the layers are mounted on.
    pub fn folder(&self) -> &Path {
        self.layers.path()
    }

    /// What package and tmpfiles make.
    fn prepare(&self) {
        append("/etc/group", "waagent:x:901:\nwaagent-certs:x:902:\nwaagent-media:x:903:\n");
        append("/etc/passwd", "waagent-media:x:903:903::/:/usr/sbin/nologin\n");
        append("/etc/passwd", "waagent-certs:x:902:902::/:/usr/sbin/nologin\n");
        for (folder, mode, user, group) in [
            ("/var/lib/waagent", 0o710, "root", "waagent"),
            ("/var/lib/waagent/provision", 0o2750, "root", "waagent"),
            ("/var/lib/waagent/certs", 0o2750, "waagent-certs", "waagent"),
            ("/var/lib/waagent/ext/results", 0o700, "root", "root"),
            ("/run/waagent", 0o755, "root", "waagent"),
            ("/run/waagent/provision", 0o755, "root", "root"),
            ("/run/waagent/media", 0o750, "waagent-media", "waagent-media"),
        ] {
            fs::create_dir_all(folder).unwrap();
            chown(folder, uid_of(&self.root, user), gid_of(&self.root, group)).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write("/etc/waagent.conf", CONFIG).unwrap();
        // What the image's author left behind.
        append("/etc/ssh/ssh_host_rsa_key-cert.pub", "ssh-rsa-cert-v01@openssh.com AAAA image\n");
        append("/etc/ssh/ssh_host_dsa_key", "old\n");
    }

    /// Adds lines to the configuration; the last one of a key holds.
    pub fn configure(&self, lines: &str) {
        append("/etc/waagent.conf", lines);
    }

    /// Leaves a medium's copy as waagent-media does.
    pub fn attach(&self, ovf: &str) {
        let folder = Path::new("/run/waagent/media");
        let (uid, gid) = (uid_of(&self.root, "waagent-media"), gid_of(&self.root, "waagent-media"));
        let media = medium(ovf);
        documents::write(&self.root, &media, &Inputs::new(), &Sandbox::unconfined()).unwrap();
        fs::write(folder.join("ovf-env.xml"), ovf).unwrap();
        for name in ["media.json", "ovf-env.xml"] {
            chown(folder.join(name), uid, gid).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o640)).unwrap();
        }
    }

    /// As after a reboot: nothing in the program's part of /run.
    pub fn reboot(&self) {
        for file in [
            "media/ovf-env.xml",
            "provision/release",
            "provision/customdata",
            "provision/tried",
            "provision/late",
        ] {
            let _absent = fs::remove_file(self.root.runtime_path(file));
        }
        self.no_medium();
    }

    /// Leaves what waagent-media leaves where it finds none.
    pub fn no_medium(&self) {
        let reason = Some("there is no CD or DVD drive".to_owned());
        let media = Media { state: MediaState::Absent, reason, sha256: None, size: None, ..medium("") };
        documents::write(&self.root, &media, &Inputs::new(), &Sandbox::unconfined()).unwrap();
        chown("/run/waagent/media/media.json", uid_of(&self.root, "waagent-media"), None).unwrap();
    }

    /// What waagent-media and PID 1 do after provisioning.
    pub fn release(&self) {
        fs::remove_file("/run/waagent/media/ovf-env.xml").unwrap();
        let media = Media { state: MediaState::Released, ..medium("") };
        documents::write(&self.root, &media, &Inputs::new(), &Sandbox::unconfined()).unwrap();
        chown("/run/waagent/media/media.json", uid_of(&self.root, "waagent-media"), None).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-provision"));
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a pass that must end well, and says what it said.
    pub fn provision(&self) -> String {
        let output = self.run(&[]);
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        said
    }

    /// Runs a pass that must fail with this status, and says what it said.
    pub fn refuse(&self, code: i32) -> String {
        let output = self.run(&[]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }

    pub fn status(&self) -> ProvisionStatus {
        Document::<ProvisionStatus>::read(&self.root).unwrap().body
    }

    pub fn console(&self) -> String {
        fs::read_to_string(self.layers.path().join("console")).unwrap()
    }

    /// Every file that was made or changed since the view began, with its content and mode.
    pub fn changes(&self) -> Vec<Change> {
        let mut found = Vec::new();
        let mut folders =
            ["etc", "home", "var", "run", "root"].map(|tree| self.layers.path().join(tree)).to_vec();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let name = path.strip_prefix(self.layers.path()).unwrap().display().to_string();
                let content = match meta {
                    _ if meta.is_dir() => {
                        folders.push(path.clone());
                        Vec::new()
                    }
                    _ if meta.is_file() => fs::read(&path).unwrap(),
                    _ => fs::read_link(&path)
                        .map(|to| to.display().to_string().into_bytes())
                        .unwrap_or_default(),
                };
                found.push((name, meta.permissions().mode(), content));
            }
        }
        found.sort();
        found
    }
}

impl Drop for World {
    /// A folder that something is mounted on can't be removed, and it is the machine's own.
    fn drop(&mut self) {
        let unmounted = umount2(self.layers.path(), MntFlags::MNT_DETACH);
        assert!(unmounted.is_ok() || std::thread::panicking(), "{unmounted:?}");
    }
}

/// The document that waagent-media leaves beside this copy.
pub fn medium(ovf: &str) -> Media {
    Media {
        state: MediaState::Read,
        reason: None,
        device: Some("/dev/sr0".to_owned()),
        file_system: Some("udf".to_owned()),
        label: None,
        size: Some(ovf.len().try_into().unwrap()),
        sha256: Some(Sha256::try_from(sha256(ovf.as_bytes())).unwrap()),
        files: Vec::new(),
        scvmm: false,
    }
}

/// Names of what differs, since contents are too long to be read.
pub fn difference(before: &[Change], after: &[Change]) -> Vec<String> {
    let only = |these: &[Change], others: &[Change]| {
        these
            .iter()
            .filter(|change| !others.contains(change))
            .map(|(name, ..)| name.clone())
            .collect::<Vec<_>>()
    };
    let mut names = [only(before, after), only(after, before)].concat();
    names.dedup();
    names
}

/// Name, mode, content.
pub type Change = (String, u32, Vec<u8>);

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub fn line_of(file: &str, start: &str) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
}

pub fn mode(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn append(path: &str, text: &str) {
    use std::io::Write;
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn tmpfs(path: &Path) {
    mount(Some("test"), path, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
}

const CONFIG: &str = "Provisioning.Agent=auto\nProvisioning.DeleteRootPassword=y\n\
    Provisioning.RegenerateSshHostKeyPair=y\nProvisioning.SshHostKeyPairType=auto\n\
    Provisioning.DecodeCustomData=y\nLogs.Console=y\n";

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy orchard@desk";

/// An `ovf-env.xml` as Azure writes it.
pub fn ovf(inner: &str, settings: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:wa="http://schemas.microsoft.com/windowsazure"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <wa:ProvisioningSection><wa:Version>1.0</wa:Version>
    <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure">
      <ConfigurationSetType>LinuxProvisioningConfiguration</ConfigurationSetType>
      <HostName>plum-07</HostName>
      <UserName>orchard</UserName>
      {inner}
    </LinuxProvisioningConfigurationSet>
  </wa:ProvisioningSection>
  <wa:PlatformSettingsSection><wa:Version>1.0</wa:Version>
    <wa:PlatformSettings>{settings}<wa:GuestAgentPackageName xsi:nil="true" /></wa:PlatformSettings>
  </wa:PlatformSettingsSection>
</Environment>
"#
    )
}

pub fn public_key(value: &str) -> String {
    format!(
        "<PublicKey><Fingerprint>00112233445566778899AABBCCDDEEFF00112233</Fingerprint>\
         <Path>/home/orchard/.ssh/authorized_keys</Path><Value>{value}</Value></PublicKey>"
    )
}

pub fn keys(inner: &str) -> String {
    format!("<SSH><PublicKeys>{inner}</PublicKeys></SSH>")
}
