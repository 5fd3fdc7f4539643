//! The password is nowhere but, hashed, in the shadow file.

use std::fs;
use std::process::{Command, Stdio};

use crate::world::{KEY, World, keys, line_of, ovf, public_key};

const CANARY: &str = "Canary-9c1f-pass!word";

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

#[test]
fn no_file_log_argument_or_environment_ever_holds_the_password() {
    let Some(world) = World::new() else { return };
    world.configure("Logs.Verbose=y\n");
    let log = fs::OpenOptions::new().create(true).append(true).open("/var/log/waagent.log").unwrap();
    let password = format!(
        "<wa:UserPassword xmlns:wa='http://schemas.microsoft.com/windowsazure'\n>{CANARY}</wa:UserPassword>"
    );
    world.attach(&ovf(&format!("{password}{}", keys(&public_key(KEY))), ""));
    let output = Command::new("/usr/bin/strace")
        .args(["-f", "-v", "-s", "100000", "-e", "trace=execve,openat", "-o", "/run/trace"])
        .arg(env!("CARGO_BIN_EXE_waagent-provision"))
        .stdout(log)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!holds(&output.stderr));
    let trace = fs::read("/run/trace").unwrap();
    assert!(String::from_utf8_lossy(&trace).contains("/usr/sbin/chpasswd") && !holds(&trace));
    assert!(line_of("/etc/shadow", "orchard:").starts_with("orchard:$6$"));
    let copy = fs::read_to_string("/var/lib/waagent/ovf-env.xml").unwrap();
    assert!(copy.contains(">REDACTED</wa:UserPassword>"), "{copy}");
    let found: Vec<String> =
        world.changes().into_iter().filter(|(_, _, content)| holds(content)).map(|(name, ..)| name).collect();
    assert_eq!(found, ["run/waagent/media/ovf-env.xml"]);
}

#[test]
fn a_refused_file_is_not_quoted() {
    let Some(world) = World::new() else { return };
    for broken in [
        ovf(&format!("<UserPassword>{CANARY}</UserPasswort>"), ""),
        ovf(&format!("<UserPassword>{CANARY}&nonsense;</UserPassword>"), ""),
        ovf(&format!("<UserPassword>{CANARY}<b/></UserPassword>"), ""),
        ovf(&format!("<UserPassword>{}</UserPassword>", CANARY.repeat(5)), ""),
        ovf(&format!("<UserPassword {CANARY}>x</UserPassword>"), ""),
    ] {
        world.attach(&broken);
        let said = world.refuse(65);
        assert!(!said.contains("Canary"), "{said}");
    }
    let found = world.changes().into_iter().filter(|(_, _, content)| holds(content)).count();
    assert_eq!(found, 1, "the medium's copy alone");
}
