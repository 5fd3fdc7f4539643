//! `authorized_keys`: 0, 1, 2, 20 keys, doubles, options, line ends, other paths, hostile homes.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::world::{KEY, World, keys, ovf, public_key, tool};

const FILE: &str = "/home/orchard/.ssh/authorized_keys";

/// A key of its own for each number.
fn numbered(number: u8) -> String {
    let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32], &[number; 32]].concat();
    format!("ssh-ed25519 {} key-{number}", STANDARD.encode(blob))
}

fn provisioned_with(inner: &str) -> Option<World> {
    let world = World::new()?;
    world.attach(&ovf(inner, ""));
    world.provision();
    Some(world)
}

#[test]
fn writes_no_file_without_a_key() {
    let Some(_world) = provisioned_with("<UserPassword>not a real one</UserPassword>") else { return };
    assert!(!fs::exists("/home/orchard/.ssh").unwrap());
}

#[test]
fn writes_two_keys_in_their_order() {
    let (one, two) = (numbered(1), numbered(2));
    let Some(_world) = provisioned_with(&keys(&format!("{}{}", public_key(&one), public_key(&two)))) else {
        return;
    };
    assert_eq!(fs::read_to_string(FILE).unwrap(), format!("{one}\n{two}\n"));
}

#[test]
fn writes_twenty_keys() {
    let all: Vec<String> = (1..=20).map(numbered).collect();
    let inner: String = all.iter().map(|key| public_key(key)).collect();
    let Some(_world) = provisioned_with(&keys(&inner)) else { return };
    assert_eq!(fs::read_to_string(FILE).unwrap().lines().collect::<Vec<_>>(), all);
}

#[test]
fn writes_a_double_key_once_and_joins_broken_base64() {
    let key = numbered(7);
    let broken = key.replacen("AAAA", "AA\r\nAA", 1);
    let Some(_world) = provisioned_with(&keys(&format!("{}{}", public_key(&key), public_key(&broken))))
    else {
        return;
    };
    assert_eq!(fs::read_to_string(FILE).unwrap(), format!("{key}\n"));
}

#[test]
fn a_home_in_the_path_and_another_file_are_taken_with_a_warning() {
    let inner = keys(
        &public_key(KEY).replace("/home/orchard/.ssh/authorized_keys", "$HOME/orchard/.config/ssh/mine"),
    );
    let Some(world) = provisioned_with(&inner) else { return };
    assert_eq!(fs::read_to_string("/home/orchard/.config/ssh/mine").unwrap(), format!("{KEY}\n"));
    assert!(world.status().warnings.iter().any(|text| text.contains("sshd doesn't read")));
}

#[test]
fn paths_that_are_no_place_for_the_users_keys_are_refused_and_nothing_is_changed() {
    let Some(world) = World::new() else { return };
    for path in [
        "/etc/shadow",
        "/root/.ssh/authorized_keys",
        "/home/orchard/../root/.ssh/authorized_keys",
        "/home/x/$HOME/authorized_keys",
        "home/orchard/.ssh/authorized_keys",
        "/home/other/.ssh/authorized_keys",
        "/home/orchard/authorized_keys",
        "/home/orchard//.ssh/authorized_keys",
    ] {
        world.attach(&ovf(&keys(&public_key(KEY).replace("/home/orchard/.ssh/authorized_keys", path)), ""));
        let said = world.refuse(65);
        assert!(
            said.contains("invalid key path") && said.contains("Path of public key #1"),
            "{path}: {said}"
        );
    }
    assert!(!fs::exists("/home/orchard").unwrap() && !fs::exists("/etc/sudoers.d/waagent").unwrap());
}

/// A user whose home somebody prepared.
fn prepared() -> Option<World> {
    let world = World::new()?;
    tool("/usr/sbin/useradd", &["-m", "orchard"]);
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    Some(world)
}

#[test]
fn keeps_old_lines_with_their_options_and_adds_what_is_missing() {
    let Some(world) = prepared() else { return };
    tool("/usr/bin/install", &["-d", "-o", "orchard", "-m", "700", "/home/orchard/.ssh"]);
    let old = format!("# mine\nfrom=\"10.0.0.1\" {}\n{}", numbered(3), numbered(4));
    fs::write(FILE, &old).unwrap();
    tool("/bin/chown", &["orchard", FILE]);
    world.provision();
    assert_eq!(fs::read_to_string(FILE).unwrap(), format!("{old}\n{KEY}\n"));
    assert!(world.status().user.is_some_and(|user| !user.created));
}

#[test]
fn a_key_that_is_there_with_options_is_not_added_without_them() {
    let Some(world) = prepared() else { return };
    tool("/usr/bin/install", &["-d", "-o", "orchard", "-m", "700", "/home/orchard/.ssh"]);
    let old = format!("command=\"/bin/date\" {KEY}\n");
    fs::write(FILE, &old).unwrap();
    tool("/bin/chown", &["orchard", FILE]);
    world.provision();
    assert_eq!(fs::read_to_string(FILE).unwrap(), old);
}

#[test]
fn a_link_to_roots_folder_is_not_followed() {
    let Some(world) = prepared() else { return };
    fs::create_dir_all("/root/.ssh").unwrap();
    symlink("/root/.ssh", "/home/orchard/.ssh").unwrap();
    let said = world.refuse(71);
    assert!(said.contains("/home/orchard/.ssh") && said.contains("symbolic link"), "{said}");
    assert!(!fs::exists("/root/.ssh/authorized_keys").unwrap());
    // What doesn't need the home is done all the same.
    assert!(fs::exists("/etc/sudoers.d/waagent").unwrap());
    assert!(!fs::exists("/var/lib/waagent/provisioned").unwrap());
}

#[test]
fn a_file_that_is_a_link_or_has_two_names_is_left_alone() {
    let Some(world) = prepared() else { return };
    tool("/usr/bin/install", &["-d", "-o", "orchard", "-m", "700", "/home/orchard/.ssh"]);
    symlink("/etc/passwd", FILE).unwrap();
    assert!(world.refuse(71).contains("symbolic link"));
    fs::remove_file(FILE).unwrap();
    fs::write("/home/orchard/other", "x").unwrap();
    fs::hard_link("/home/orchard/other", FILE).unwrap();
    tool("/bin/chown", &["orchard", FILE]);
    assert!(world.refuse(71).contains("no plain file with one name"));
    assert_eq!(fs::read_to_string("/home/orchard/other").unwrap(), "x");
}

#[test]
fn a_folder_of_somebody_else_is_refused_until_it_is_the_users() {
    let Some(world) = prepared() else { return };
    fs::create_dir("/home/orchard/.ssh").unwrap();
    chown("/home/orchard/.ssh", Some(65534), None).unwrap();
    let said = world.refuse(71);
    assert!(said.contains("belongs to uid 65534"), "{said}");
    tool("/bin/chown", &["orchard", "/home/orchard/.ssh"]);
    world.provision();
    assert_eq!(fs::read_to_string(FILE).unwrap(), format!("{KEY}\n"));
}

#[test]
fn a_home_that_others_may_write_is_refused() {
    let Some(world) = prepared() else { return };
    tool("/bin/chmod", &["777", "/home/orchard"]);
    let said = world.refuse(71);
    assert!(said.contains("others may write it"), "{said}");
    tool("/bin/chmod", &["755", "/home/orchard"]);
    world.provision();
}
