//! Passwords: methods, existing users, root's.

use std::fs;

use crate::world::{KEY, World, keys, line_of, ovf, public_key, tool};

fn with_password(extra: &str) -> String {
    ovf(&format!("<UserPassword>not &amp; a real one</UserPassword>{extra}"), "")
}

/// The hash that a configured method leaves in the shadow file.
fn hash_by(method: &str) -> Option<(String, World)> {
    let world = World::new()?;
    world.configure(&format!("Provisioning.PasswordCryptId={method}\n"));
    world.attach(&with_password(""));
    world.provision();
    let hash = line_of("/etc/shadow", "orchard:").split(':').nth(1).unwrap().to_owned();
    assert_eq!(waagent_common::sys::crypt::hash(b"not & a real one", &hash).unwrap(), hash);
    Some((hash, world))
}

#[test]
fn a_password_is_hashed_by_sha_512_with_the_salt_that_is_configured() {
    let Some((hash, _world)) = hash_by("6\nProvisioning.PasswordCryptSaltLength=14") else { return };
    let parts: Vec<&str> = hash.split('$').collect();
    assert_eq!((parts[1], parts[2].len()), ("6", 14));
    assert_eq!(fs::read_to_string("/etc/sudoers.d/waagent").unwrap(), "orchard ALL=(ALL) ALL\n");
    fs::create_dir_all("/run/sshd").unwrap();
    let effective = tool("/usr/sbin/sshd", &["-T", "-C", "user=orchard,host=x,addr=127.0.0.1"]);
    assert!(effective.contains("\npasswordauthentication yes\n"), "{effective}");
}

#[test]
fn a_password_is_hashed_by_sha_256_with_the_rounds_of_login_defs() {
    let Some(world) = World::new() else { return };
    let defs = fs::read_to_string("/etc/login.defs").unwrap();
    fs::write("/etc/login.defs", format!("{defs}\nSHA_CRYPT_MIN_ROUNDS 6000\n")).unwrap();
    world.configure("Provisioning.PasswordCryptId=5\n");
    world.attach(&with_password(""));
    world.provision();
    assert!(line_of("/etc/shadow", "orchard:").starts_with("orchard:$5$rounds=6000$"));
}

#[test]
fn a_password_is_hashed_by_yescrypt() {
    let Some((hash, _world)) = hash_by("y") else { return };
    assert!(hash.starts_with("$y$"), "{hash}");
}

#[test]
fn a_password_is_hashed_by_bcrypt_where_its_old_name_is_configured() {
    let Some((hash, world)) = hash_by("2a") else { return };
    assert!(hash.starts_with("$2b$10$"), "{hash}");
    assert!(world.status().warnings.iter().any(|text| text.contains("2a is outdated")));
}

#[test]
fn a_password_is_hashed_by_md5_with_a_warning() {
    let Some((hash, world)) = hash_by("1") else { return };
    assert!(hash.starts_with("$1$"), "{hash}");
    assert!(world.status().warnings.iter().any(|text| text.contains("MD5")));
}

#[test]
fn roots_password_is_deleted_and_its_ageing_stays() {
    let Some(world) = World::new() else { return };
    tool("/usr/sbin/usermod", &["-p", "$6$x$y", "root"]);
    let before = line_of("/etc/shadow", "root:");
    world.attach(&with_password(&keys(&public_key(KEY))));
    world.provision();
    let after = line_of("/etc/shadow", "root:");
    assert_eq!(after.split(':').nth(1), Some("*LOCK*"));
    assert_eq!(after.split(':').skip(3).collect::<Vec<_>>(), before.split(':').skip(3).collect::<Vec<_>>());
}

#[test]
fn roots_password_stays_if_so_configured() {
    let Some(world) = World::new() else { return };
    tool("/usr/sbin/usermod", &["-p", "$6$x$y", "root"]);
    world.configure("Provisioning.DeleteRootPassword=n\n");
    world.attach(&with_password(""));
    world.provision();
    assert!(line_of("/etc/shadow", "root:").starts_with("root:$6$x$y:"));
}

#[test]
fn a_password_given_although_ssh_may_not_use_it_is_set_and_ssh_stays_shut() {
    let Some(world) = World::new() else { return };
    world.attach(&with_password("<DisableSshPasswordAuthentication>True</DisableSshPasswordAuthentication>"));
    world.provision();
    assert!(line_of("/etc/shadow", "orchard:").starts_with("orchard:$6$"));
    let drop_in = fs::read_to_string("/etc/ssh/sshd_config.d/10-waagent.conf").unwrap();
    assert!(drop_in.contains("\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"), "{drop_in}");
}
