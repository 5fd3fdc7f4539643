//! Users that are there already, and names that are refused.

use std::fs;

use waagent_common::documents::StepState;

use crate::world::{KEY, World, keys, line_of, ovf, public_key, tool};

fn for_user(name: &str, inner: &str) -> String {
    ovf(inner, "")
        .replace("orchard<", &format!("{name}<"))
        .replace("/home/orchard/", &format!("/home/{name}/"))
}

#[test]
fn an_ordinary_user_is_taken_as_it_is_and_its_password_replaced() {
    let Some(world) = World::new() else { return };
    tool("/usr/sbin/useradd", &["-m", "-s", "/bin/sh", "-u", "1777", "-p", "$6$old$old", "orchard"]);
    world.attach(&ovf(&format!("<UserPassword>new one</UserPassword>{}", keys(&public_key(KEY))), ""));
    let said = world.provision();
    assert!(said.contains("Provisioning complete"), "{said}");
    assert!(
        line_of("/etc/passwd", "orchard:").contains(":1777:1777:")
            && line_of("/etc/passwd", "orchard:").ends_with("/bin/sh")
    );
    assert!(!line_of("/etc/shadow", "orchard:").contains("$6$old$"));
    assert_eq!(world.status().user.map(|user| (user.uid, user.created)), Some((1777, false)));
}

#[test]
fn an_ordinary_users_password_stays_where_none_is_given() {
    let Some(world) = World::new() else { return };
    tool("/usr/sbin/useradd", &["-m", "-p", "$6$old$old", "orchard"]);
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    assert!(line_of("/etc/shadow", "orchard:").starts_with("orchard:$6$old$old:"));
}

#[test]
fn accounts_of_the_system_are_refused_whatever_is_asked_for_them() {
    let Some(world) = World::new() else { return };
    for name in ["root", "daemon"] {
        world.attach(&for_user(name, &keys(&public_key(KEY))));
        let said = world.refuse(65);
        assert!(said.contains("reserved or system user") && said.contains(name), "{said}");
    }
    world.attach(&for_user("adm", "<UserPassword>not a real one</UserPassword>"));
    assert!(world.refuse(65).contains("'adm' is a group of the system"));
    assert!(!fs::exists("/etc/sudoers.d/waagent").unwrap() && !fs::exists("/etc/ssh/.waagent-new").unwrap());
}

#[test]
fn accounts_beyond_the_ordinary_and_those_without_a_login_shell_are_refused_before_the_first_change() {
    let Some(world) = World::new() else { return };
    tool("/usr/sbin/useradd", &["-M", "-u", "60001", "-s", "/bin/sh", "late"]);
    tool("/usr/sbin/useradd", &["-M", "-u", "1500", "-s", "/usr/sbin/nologin", "service"]);
    tool("/usr/sbin/groupadd", &["-g", "60001", "nobodies"]);
    let host_key = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    for (name, why) in [
        ("nobody", "it has uid 65534, and ordinary users have 1000 to 60000"),
        ("late", "it has uid 60001"),
        ("service", "its shell '/usr/sbin/nologin' isn't for logging in"),
        ("nobodies", "'nobodies' is a group of the system (gid 60001)"),
    ] {
        world.attach(&for_user(name, &keys(&public_key(KEY))));
        let said = world.refuse(65);
        assert!(said.contains("reserved or system user") && said.contains(why), "{said}");
        assert!(!fs::exists("/etc/sudoers.d/waagent").unwrap(), "{name}");
        assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key, "{name}");
    }
    tool("/usr/sbin/useradd", &["-m", "-u", "60000", "-s", "/bin/sh", "last"]);
    world.attach(&for_user("last", &keys(&public_key(KEY))));
    world.provision();
    assert_eq!(world.status().user.map(|user| (user.uid, user.created)), Some((60000, false)));
}

#[test]
fn root_gets_its_key_only_if_configured_and_needs_no_rule() {
    let Some(world) = World::new() else { return };
    world.configure("Provisioning.AllowResetSysUser=y\n");
    world.attach(&for_user("root", &keys(&public_key(KEY))).replace("/home/root/", "/root/"));
    world.provision();
    assert_eq!(fs::read_to_string("/root/.ssh/authorized_keys").unwrap(), format!("{KEY}\n"));
    assert!(!fs::exists("/etc/sudoers.d/waagent").unwrap());
}

#[test]
fn an_ordinary_group_of_the_name_becomes_the_users_own() {
    let Some(world) = World::new() else { return };
    tool("/usr/sbin/groupadd", &["-g", "1888", "orchard"]);
    world.attach(&ovf(&keys(&public_key(KEY)), ""));
    world.provision();
    assert!(line_of("/etc/passwd", "orchard:").contains(":1888:"));
}

#[test]
fn a_name_longer_than_useradd_takes_is_its_own_refusal() {
    let Some(world) = World::new() else { return };
    world.attach(&for_user(&"a".repeat(40), &keys(&public_key(KEY))));
    let said = world.refuse(71);
    assert!(said.contains("failure to create user") && said.contains("invalid user name"), "{said}");
    let steps = world.status().steps;
    let state = |name: &str| steps.iter().find(|step| step.name == name).map(|step| step.state);
    assert_eq!(state("sudoers"), Some(StepState::HeldUp));
    assert_eq!(state("root-password"), Some(StepState::HeldUp));
}
