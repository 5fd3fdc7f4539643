//! sshd's configuration: drop-in, block, Match, rollback, host keys.

use std::fs;

use crate::world::{KEY, World, keys, ovf, public_key, tool};

const MAIN: &str = "/etc/ssh/sshd_config";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/10-waagent.conf";

fn with_main(text: &str) -> Option<World> {
    let world = World::new()?;
    fs::create_dir_all("/run/sshd").unwrap();
    fs::write(MAIN, text).unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    Some(world)
}

fn effective() -> String {
    tool("/usr/sbin/sshd", &["-T", "-C", "user=orchard,host=x,addr=127.0.0.1"])
}

#[test]
fn a_main_file_that_includes_the_folder_stays_as_it_is() {
    let main = "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n";
    let Some(world) = with_main(main) else { return };
    world.provision();
    assert_eq!(fs::read_to_string(MAIN).unwrap(), main);
    assert!(
        fs::read_to_string(DROP_IN).unwrap().ends_with(
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nClientAliveInterval 180\n"
        )
    );
}

#[test]
fn without_an_include_a_block_at_the_top_wins_over_match_blocks_below() {
    let main = "PasswordAuthentication yes\nMatch Group sftp\n  ChrootDirectory /srv\n";
    let Some(world) = with_main(main) else { return };
    world.provision();
    let text = fs::read_to_string(MAIN).unwrap();
    assert!(
        text.starts_with("# BEGIN waagent\nPasswordAuthentication no\n") && text.ends_with(main),
        "{text}"
    );
    assert!(effective().contains("\npasswordauthentication no\n"));
    assert!(world.status().warnings.iter().any(|warning| warning.contains("doesn't include")));
    // Once more, as by hand: nothing is doubled.
    assert!(world.run(&["--force"]).status.success());
    assert_eq!(fs::read_to_string(MAIN).unwrap(), text);
}

#[test]
fn a_match_block_that_lets_the_user_in_by_password_is_an_error() {
    let main = "Include /etc/ssh/sshd_config.d/*.conf\nMatch User orchard\n  PasswordAuthentication yes\n";
    let Some(world) = with_main(main) else { return };
    let said = world.refuse(71);
    assert!(said.contains("failure to configure sshd") && said.contains(MAIN), "{said}");
    assert!(!fs::exists("/var/lib/waagent/provisioned").unwrap());
    fs::write(MAIN, "Include /etc/ssh/sshd_config.d/*.conf\n").unwrap();
    world.provision();
}

#[test]
fn a_lower_numbered_file_that_wins_is_named() {
    let Some(world) = with_main("Include /etc/ssh/sshd_config.d/*.conf\n") else { return };
    fs::write("/etc/ssh/sshd_config.d/05-mine.conf", "PasswordAuthentication yes\n").unwrap();
    let said = world.refuse(71);
    assert!(said.contains("05-mine.conf"), "{said}");
}

#[test]
fn a_configuration_that_was_broken_before_is_a_warning_and_ours_stays() {
    let Some(world) = with_main("Include /etc/ssh/sshd_config.d/*.conf\nNonsense yes\n") else { return };
    world.provision();
    assert!(world.status().warnings.iter().any(|warning| warning.contains("was broken before")));
    assert!(fs::exists(DROP_IN).unwrap());
}

#[test]
fn an_interval_that_somebody_chose_stays_and_a_configured_one_wins() {
    let main = "Include /etc/ssh/sshd_config.d/*.conf\nClientAliveInterval 300\n";
    let Some(world) = with_main(main) else { return };
    world.provision();
    assert!(effective().contains("\nclientaliveinterval 300\n"));
    world.configure("OS.SshClientAliveInterval=120\n");
    assert!(world.run(&["--force"]).status.success());
    assert!(effective().contains("\nclientaliveinterval 120\n"));
}

#[test]
fn without_password_and_word_about_it_the_images_own_rule_stands() {
    let Some(world) = with_main("Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\n") else {
        return;
    };
    let inner = "<DisableSshPasswordAuthentication>false</DisableSshPasswordAuthentication>";
    world.attach(&ovf(&format!("{inner}{}", keys(&public_key(KEY))), ""));
    world.provision();
    assert!(effective().contains("\npasswordauthentication yes\n"));
    assert!(!fs::read_to_string(DROP_IN).unwrap().contains("PasswordAuthentication"));
}

#[test]
fn before_sshds_own_folder_is_there_its_files_are_checked_all_the_same() {
    let Some(world) = World::new() else { return };
    let _absent = fs::remove_dir_all("/run/sshd");
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    fs::write("/etc/ssh/sshd_config.d/05-mine.conf", "PasswordAuthentication yes\n").unwrap();
    assert!(world.refuse(71).contains("05-mine.conf"));
    fs::remove_file("/etc/ssh/sshd_config.d/05-mine.conf").unwrap();
    world.provision();
}

#[test]
fn host_keys_of_one_type_replace_all_others_and_host_keys_that_sshd_names_are_made_too() {
    let Some(world) = World::new() else { return };
    world.configure("Provisioning.SshHostKeyPairType=ed25519\n");
    fs::write("/etc/ssh/sshd_config.d/90-keys.conf", "HostKey /etc/ssh/ssh_host_ecdsa_key\n").unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    let kinds: Vec<String> = world.status().host_keys.into_iter().map(|key| key.key_type).collect();
    assert_eq!(kinds, ["ecdsa", "ed25519"]);
    assert!(!fs::exists("/etc/ssh/ssh_host_rsa_key").unwrap());
    let shown = tool("/usr/bin/ssh-keygen", &["-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]);
    let status = world.status();
    assert_eq!(shown.split(' ').nth(1), Some(status.host_keys[1].fingerprint.as_str()));
    assert_eq!(status.ssh_host_key_fingerprint, Some(status.host_keys[1].fingerprint.replace(':', "")));
}

#[test]
fn the_images_host_keys_stay_if_so_configured() {
    let Some(world) = World::new() else { return };
    world.configure("Provisioning.RegenerateSshHostKeyPair=n\n");
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let before = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    world.provision();
    assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), before);
    assert_eq!(world.status().host_keys.len(), 3);
}
