//! Hostile `ovf-env.xml`: each is refused for its own reason, and nothing is changed.

use std::fs;

use waagent_common::documents::{ProvisionReason, ProvisionState};

use crate::world::{Change, KEY, World, difference, keys, ovf, public_key};

/// File in `tests/hostile`, and what the refusal says.
const FILES: &[(&str, &str)] = &[
    ("ovf_billion_laughs.xml", "document type not allowed"),
    ("ovf_comment_in_a_value.xml", "UserName holds more than a text"),
    ("ovf_external_entity.xml", "document type not allowed"),
    ("ovf_host_name_with_a_command.xml", "invalid host name"),
    ("ovf_latin1.xml", "encoding other than UTF-8"),
    ("ovf_no_namespace.xml", "Environment not found (present in another namespace)"),
    ("ovf_not_xml.xml", "not well-formed"),
    ("ovf_preprovisioned.xml", "pre-provisioned VM unsupported"),
    ("ovf_processing_instruction.xml", "processing instruction not allowed"),
    ("ovf_truncated.xml", "an element isn't closed"),
    ("ovf_two_user_names.xml", "multiple values for UserName"),
    ("ovf_unknown_entity.xml", "unknown entity"),
    ("ovf_user_named_all.xml", "it means everybody in sudoers(5)"),
    ("ovf_user_with_a_line_break.xml", "character U+000A at 8"),
    ("ovf_windows.xml", "LinuxProvisioningConfigurationSet not found; it is made for Windows"),
];

#[test]
fn every_hostile_file_is_refused_and_nothing_is_changed() {
    let Some(world) = World::new() else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile");
    assert_eq!(fs::read_dir(folder).unwrap().count(), FILES.len());
    for (name, why) in FILES {
        refused(&world, name, &fs::read_to_string(format!("{folder}/{name}")).unwrap(), why);
    }
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
}

#[test]
fn files_that_pass_a_bound_are_refused_and_their_neighbours_taken() {
    let Some(world) = World::new() else { return };
    let deep = |depth: usize| format!("{}{}", "<x>".repeat(depth), "</x>".repeat(depth));
    let key = keys(&public_key(KEY));
    let with = |inner: &str| ovf(&format!("{inner}{key}"), "");
    let attributes = |count: usize| (0..count).map(|n| format!(" a{n}=''")).collect::<String>();
    let key_65 = keys(&public_key(KEY).repeat(65));
    for (name, text, why) in [
        ("depth", with(&deep(14)), "nested deeper"),
        ("elements", with(&"<x/>".repeat(2000)), "more than the 2000 elements"),
        ("text", with(&format!("<dscfg>{}</dscfg>", "x".repeat(262_145))), "text longer"),
        ("attributes", with(&format!("<x{}/>", attributes(65))), "more than the 64 attributes"),
        ("keys", ovf(&key_65, ""), "65 PublicKey, more than the 64"),
        (
            "custom data",
            with(&format!("<CustomData>{}</CustomData>", "AAAA".repeat(21_846))),
            "65538 bytes, more than 65535",
        ),
        ("bad custom data", with("<CustomData>%%%</CustomData>"), "base64 is damaged"),
        ("password", with(&format!("<UserPassword>{}</UserPassword>", "x".repeat(73))), "73 characters"),
        ("file", with(&" ".repeat(1 << 20)), "more than the 1048576 allowed"),
        ("no login", ovf("", ""), "neither a password nor a public key"),
        (
            "boolean",
            with("<DisableSshPasswordAuthentication>maybe</DisableSshPasswordAuthentication>"),
            "neither true nor false",
        ),
    ] {
        refused(&world, name, &text, why);
    }
    let fits = format!(
        "{}{}<dscfg>{}</dscfg><x{}/><CustomData>{}</CustomData><UserPassword>{}</UserPassword>",
        deep(13),
        "<x/>".repeat(1900),
        "x".repeat(262_144),
        attributes(64),
        "AAAA".repeat(21_845),
        "x".repeat(72)
    );
    world.attach(&with(&fits));
    world.provision();
}

#[test]
fn a_copy_that_is_not_what_its_document_says_is_refused() {
    let Some(world) = World::new() else { return };
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let copy = "/run/waagent/media/ovf-env.xml";
    let text = fs::read_to_string(copy).unwrap();
    fs::write(copy, text.replace("orchard", "mallory")).unwrap();
    let said = world.refuse(65);
    assert!(said.contains("provisioning media unreadable") && said.contains(copy), "{said}");
    assert!(!fs::exists("/home/mallory").unwrap());
    fs::remove_file(copy).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", copy).unwrap();
    assert!(world.refuse(65).contains("symbolic link"));
}

#[test]
fn all_errors_are_told_at_once() {
    let Some(world) = World::new() else { return };
    let text = ovf(&keys(&public_key("ssh-dss AAAA")), "")
        .replace("plum-07", "a_b")
        .replace("orchard<", "or chard<");
    world.attach(&text);
    let said = world.refuse(65);
    assert!(
        said.contains("HostName: character '_' at 2") && said.contains("UserName: character U+0020 at 3"),
        "{said}"
    );
}

#[test]
fn encodings_that_the_platform_may_use_are_taken() {
    let text = ovf(&keys(&public_key(KEY)), "");
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(text.replace("utf-8", "utf-16").encode_utf16().flat_map(u16::to_le_bytes));
    let bom = [b"\xef\xbb\xbf".as_slice(), text.replace('\n', "\r\n").as_bytes(), b"\r\n\0\0\0"].concat();
    for bytes in [utf16, bom] {
        let text = waagent_provision::ovf::decode(&bytes).unwrap();
        assert_eq!(waagent_provision::ovf::read(&text).unwrap().user_name, "orchard");
    }
    assert!(waagent_provision::ovf::decode(b"\xff\xfe\x00").is_err());
    assert_eq!(waagent_provision::ovf::decode(b"abc\xc3").unwrap_err().text, "not UTF-8 at line 1, column 4");
}

fn refused(world: &World, name: &str, text: &str, why: &str) {
    world.attach(text);
    let before = system(world);
    let said = world.refuse(65);
    assert!(said.contains(why), "{name}: {said}");
    assert_eq!(world.status().state, ProvisionState::Failed, "{name}");
    assert_eq!(difference(&before, &system(world)), Vec::<String>::new(), "{name}");
}

/// What changed but for the documents of this program and its input.
fn system(world: &World) -> Vec<Change> {
    let mut changes = world.changes();
    changes.retain(|(name, ..)| {
        !name.starts_with("var/lib/waagent/provision/") && !name.starts_with("run/waagent/")
    });
    changes
}

#[test]
fn a_damaged_journal_is_kept_aside_and_the_machine_itself_is_looked_at() {
    let Some(world) = World::new() else { return };
    fs::write("/var/lib/waagent/provision/journal.json", "{\"schema\":\"waagent/provision-journal/1\",")
        .unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let said = world.provision();
    assert!(said.contains("journal.json") && said.contains("it is kept as"), "{said}");
    assert!(fs::exists("/var/lib/waagent/provision/journal.json.bad").unwrap());
}

#[test]
fn a_read_only_system_is_told_as_such_and_what_can_be_done_elsewhere_is_done() {
    use nix::mount::{MsFlags, mount};
    let Some(world) = World::new() else { return };
    let inner = format!("<CustomData>IyEvYmluL3NoCg==</CustomData>{}", keys(&public_key(KEY)));
    world.attach(&ovf(&inner, ""));
    let remount =
        |flags| mount(None::<&str>, "/etc", None::<&str>, MsFlags::MS_REMOUNT | flags, None::<&str>).unwrap();
    remount(MsFlags::MS_RDONLY);
    // The late pass has the last word.
    for state in [ProvisionState::Provisioning, ProvisionState::Failed] {
        assert!(!world.run(&[]).status.success());
        let status = world.status();
        assert_eq!((status.state, status.reason), (state, Some(ProvisionReason::ReadOnly)));
    }
    assert!(
        fs::exists("/var/lib/waagent/CustomData").unwrap()
            && !fs::exists("/var/lib/waagent/provisioned").unwrap()
    );
    remount(MsFlags::empty());
    world.provision();
}
