//! The sudo rule.

use std::fs;

use crate::world::{KEY, World, keys, mode, ovf, public_key, tool};

const FILE: &str = "/etc/sudoers.d/waagent";

#[test]
fn other_users_lines_stay_and_the_users_own_are_replaced_by_whole_word() {
    let Some(world) = World::new() else { return };
    fs::write(FILE, "orchardist ALL=(ALL) ALL\norchard ALL=(ALL) ALL").unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    let wanted = "orchardist ALL=(ALL) ALL\norchard ALL=(ALL) NOPASSWD: ALL\n";
    assert_eq!(fs::read_to_string(FILE).unwrap(), wanted);
    assert_eq!(mode(FILE), 0o440);
}

#[test]
fn a_file_that_visudo_refuses_stays_as_it_was() {
    let Some(world) = World::new() else { return };
    fs::write(FILE, "this is no rule\n").unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    let said = world.refuse(71);
    assert!(said.contains("failure to write sudoers") && said.contains("visudo refuses"), "{said}");
    assert_eq!(fs::read_to_string(FILE).unwrap(), "this is no rule\n");
    assert!(!fs::exists("/etc/sudoers.d/.waagent.new").unwrap());
    fs::remove_file(FILE).unwrap();
    world.provision();
}

#[test]
fn a_name_in_capitals_is_no_alias() {
    let Some(world) = World::new() else { return };
    let text =
        ovf(&keys(&public_key(KEY)), "").replace("orchard<", "ORCHARD<").replace("/orchard/", "/ORCHARD/");
    world.attach(&text);
    world.provision();
    let uid = world.status().user.unwrap().uid;
    let rule = fs::read_to_string(FILE).unwrap();
    assert_eq!(rule, format!("# ORCHARD is #{uid}\n#{uid} ALL=(ALL) NOPASSWD: ALL\n"));
    assert!(tool("/usr/bin/sudo", &["-l", "-U", "ORCHARD"]).contains("NOPASSWD: ALL"));
    assert!(world.run(&["--force"]).status.success());
    assert_eq!(fs::read_to_string(FILE).unwrap(), rule);
}

/// Each of them begins another kind of line, or none that sudo can read.
#[test]
fn a_name_that_is_a_word_of_sudoers_is_written_as_a_number_and_such_lines_stay() {
    let names = ["Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "sudoedit", "sha256"];
    for name in names {
        // A view of its own for each.
        let checked = std::thread::spawn(move || a_word_of_sudoers(name));
        checked.join().unwrap();
    }
}

fn a_word_of_sudoers(name: &str) {
    let Some(world) = World::new() else { return };
    let others = "Defaults insults\nUser_Alias ADMINS = daemon\n";
    fs::write(FILE, others).unwrap();
    let text = ovf(&keys(&public_key(KEY)), "")
        .replace("orchard<", &format!("{name}<"))
        .replace("/orchard/", &format!("/{name}/"));
    world.attach(&text);
    world.provision();
    let uid = world.status().user.unwrap().uid;
    let rule = format!("# {name} is #{uid}\n#{uid} ALL=(ALL) NOPASSWD: ALL\n");
    assert_eq!(fs::read_to_string(FILE).unwrap(), format!("{others}{rule}"));
    assert!(tool("/usr/bin/sudo", &["-l", "-U", name]).contains("NOPASSWD: ALL"), "{name}");
}

#[test]
fn a_folder_that_sudo_does_not_read_is_included_and_without_sudo_it_is_only_a_warning() {
    let Some(world) = World::new() else { return };
    fs::write("/etc/sudoers", "root ALL=(ALL:ALL) ALL").unwrap();
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    let main = fs::read_to_string("/etc/sudoers").unwrap();
    assert_eq!(main, "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n");
    fs::remove_file("/etc/sudoers").unwrap();
    let output = world.run(&["--force"]);
    assert!(output.status.success());
    assert!(world.status().warnings.iter().any(|text| text.contains("sudo isn't installed")));
}
