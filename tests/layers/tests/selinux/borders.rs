//! Who gets in, who reaches ours, and what no domain may.

use std::collections::BTreeSet;

use waagent_layers::Ledger;

use super::linked::{BARE, Linked, Rule, all_domains};
use super::{CONFINED, DOMAINS, RUNNER, linked};

fn program_of(domain: &str) -> String {
    format!("{}_exec_t", domain.trim_end_matches("_t"))
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    words.into_iter().collect()
}

/// Who may come into a domain.
fn entering<'a>(rules: impl Iterator<Item = &'a Rule>, domain: &str) -> BTreeSet<&'a str> {
    set(rules
        .filter(|rule| {
            rule.target == domain && ["transition", "dyntransition"].contains(&rule.permission.as_str())
        })
        .map(|rule| rule.source.as_str()))
}

/// By the program's own file and nothing else, from PID 1 and the distribution's domain of init scripts, which its
/// interface names as well.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn a_domain_is_entered_by_its_program_from_pid_1_alone() {
    let Some(linked) = linked() else { return };
    for domain in DOMAINS.into_iter().chain([RUNNER]) {
        let program = program_of(domain);
        let doors =
            linked.rules.iter().filter(|rule| rule.source == domain && rule.permission == "entrypoint");
        assert_eq!(set(doors.map(|rule| rule.target.as_str())), set([program.as_str()]), "{domain}");
        assert_eq!(entering(linked.foreign_and_own(), domain), set(["init_t", "initrc_t"]), "{domain}");
        let by_the_program = linked.transitions.iter().any(|it| {
            (it.source.as_str(), it.executed.as_str(), it.domain.as_str())
                == ("init_t", program.as_str(), domain)
        });
        assert!(by_the_program, "PID 1 doesn't enter {domain} by its program");
        // Where systemd gives no new privileges before it executes us, a domain isn't entered without this right.
        let said = linked.view.said(&[
            "sesearch",
            "/tmp/policy",
            "-A",
            "-s",
            "init_t",
            "-t",
            domain,
            "-c",
            "process2",
            "-p",
            "nnp_transition",
        ]);
        assert!(said.contains("nnp_transition"), "{domain} under NoNewPrivileges=");
    }
    assert_eq!(entering(linked.rules.iter(), CONFINED), set([RUNNER]));
}

#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn only_the_runner_is_unconfined() {
    let Some(linked) = linked() else { return };
    let unconfined = linked.attributes["unconfined_domain_type"].iter().map(String::as_str);
    assert_eq!(set(unconfined.filter(|name| name.starts_with("waagent_"))), set([RUNNER]));
}

/// Off, what the runner executes for others leaves its domain, by these three doors and only then.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn the_boolean_sends_commands_of_extensions_into_the_confined_domain() {
    let Some(linked) = linked() else { return };
    let said = linked.view.said(&["seinfo", "/tmp/policy", "-b", "waagent_extensions_unconfined", "-x"]);
    assert!(said.contains("bool waagent_extensions_unconfined true"), "not on by itself");
    let doors = linked.transitions.iter().filter(|it| it.domain == CONFINED);
    let doors: BTreeSet<_> =
        doors.map(|it| (it.source.as_str(), it.executed.as_str(), it.condition.as_deref())).collect();
    let off = Some("[waagent_extensions_unconfined]:False");
    let expected = ["waagent_customdata_exec_t", "waagent_ext_lib_t", "shell_exec_t"];
    assert_eq!(doors, expected.into_iter().map(|kind| (RUNNER, kind, off)).collect());
}

/// The boolean for transfers adds ports that no service owns: not the platform's.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn ports_of_the_platform_are_the_gates_and_none_is_bound() {
    let Some(linked) = linked() else { return };
    let said = linked.view.said(&["seinfo", "/tmp/policy", "-b", "waagent_transfer_connect_any_port", "-x"]);
    assert!(said.contains("bool waagent_transfer_connect_any_port false"), "not off by itself");
    let of_transfer = linked.foreign_and_own().filter(|rule| rule.source == "waagent_transfer_t");
    let ports: Vec<&Rule> = of_transfer
        .filter(|rule| ["waagent_hostga_port_t", "port_type"].contains(&rule.target.as_str()))
        .collect();
    assert!(ports.is_empty(), "{ports:#?}");
    let of_plugin = || linked.foreign_and_own().filter(|rule| rule.target == "waagent_hostga_port_t");
    let connecting = of_plugin().filter(|rule| rule.permission == "name_connect");
    assert_eq!(set(connecting.map(|rule| rule.source.as_str())), set(["waagent_gate_t"]));
    let binding: Vec<&Rule> = linked
        .foreign_and_own()
        .filter(|rule| rule.permission == "name_bind")
        .filter(|rule| rule.source.starts_with("waagent_") || rule.target == "waagent_hostga_port_t")
        .collect();
    assert!(binding.is_empty(), "{binding:#?}");
}

/// What the module forbids itself, found in the linked policy: the distribution's tools don't look at that by default.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn of_ours_the_gate_transfers_and_commands_connect_by_tcp_and_nobody_else() {
    let Some(linked) = linked() else { return };
    let of_ours = || linked.foreign_and_own().filter(|rule| rule.source.starts_with("waagent_"));
    let connecting = of_ours().filter(|rule| rule.permission == "name_connect");
    let connecting = set(connecting.map(|rule| rule.source.as_str()).filter(|name| *name != RUNNER));
    assert_eq!(connecting, set(["waagent_gate_t", "waagent_transfer_t", CONFINED]));
    let ordering = of_ours()
        .filter(|rule| rule.target == "waagent_transfer_t" && rule.permission == "connectto")
        .map(|rule| rule.source.as_str());
    assert_eq!(set(ordering), set(["waagent_fetch_t"]));
}

/// PID 1's private socket is a stream. And the fetcher asks the gate by one: it can't use what the gate has open.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn the_gate_reaches_no_stream_of_pid_1_and_hands_nothing_over() {
    let Some(linked) = linked() else { return };
    let reaching: Vec<&Rule> = linked
        .foreign_and_own()
        .filter(|rule| rule.source == "waagent_gate_t" && rule.target == "init_t")
        .filter(|rule| rule.class == "unix_stream_socket" && rule.permission == "connectto")
        .collect();
    assert!(reaching.is_empty(), "{reaching:#?}");
    let of_fetcher: BTreeSet<_> = linked
        .foreign_and_own()
        .filter(|rule| rule.source == "waagent_fetch_t" && rule.target == "waagent_gate_t")
        .map(|rule| (rule.class.as_str(), rule.permission.as_str()))
        .collect();
    assert_eq!(of_fetcher, [("unix_stream_socket", "connectto")].into());
}

/// Rights that would undo the others: of any domain of ours, but the runner.
const UNDOING: &[(&str, &str, &[&str])] = &[
    ("load a policy", "security", &["load_policy"]),
    ("switch SELinux off", "security", &["setenforce", "setsecparam"]),
    ("change a boolean", "security", &["setbool"]),
    ("load a module of the kernel", "system", &["module_load"]),
    ("trace a process", "process", &["ptrace"]),
    ("change its own domain", "process", &["setcurrent", "dyntransition", "setexec"]),
    ("run code that it wrote", "process", &["execmem", "execstack", "execheap"]),
    ("run a file that it changed", "file", &["execmod"]),
    ("override the policy", "capability2", &["mac_admin", "mac_override"]),
    ("reboot, halt or reload", "system", &["halt", "reboot", "reload", "start", "stop", "enable", "disable"]),
];

/// What every daemon of the distribution has isn't ours to take away.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn no_domain_of_ours_may_undo_what_confines_it() {
    let Some(linked) = linked() else { return };
    let of_every_daemon = linked.all(BARE);
    let every_daemon_has =
        |rule: &Rule| of_every_daemon.contains(&Rule { source: "self".to_owned(), ..rule.clone() });
    let of_ours = || {
        linked
            .foreign_and_own()
            .filter(|rule| rule.source.starts_with("waagent_") && rule.source.ends_with("_t"))
    };
    for (act, class, permissions) in UNDOING {
        let rules: Vec<&Rule> = of_ours()
            .filter(|rule| rule.class == *class && permissions.contains(&rule.permission.as_str()))
            .filter(|rule| !every_daemon_has(rule))
            .collect();
        assert!(rules.is_empty(), "{act}: {rules:#?}");
    }
    let second: Vec<&Rule> = of_ours().filter(|rule| rule.class == "cap_userns").collect();
    assert!(second.is_empty(), "a second set of rights: {second:#?}");
}

/// start, stop, status of units: the planner's right, on the runner's unit.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn only_the_planner_starts_units_and_only_the_runners() {
    let Some(linked) = linked() else { return };
    let of_ours = linked.foreign_and_own().filter(|rule| rule.source.starts_with("waagent_"));
    let found: BTreeSet<_> = of_ours
        .filter(|rule| rule.class == "service")
        .map(|rule| (rule.source.as_str(), rule.target.as_str(), rule.permission.as_str()))
        .collect();
    let expected = ["start", "status", "stop"];
    assert_eq!(
        found,
        expected.into_iter().map(|it| ("waagent_ext_t", "waagent_ext_run_unit_t", it)).collect()
    );
}

/// Secrets of others: shadow, host keys, anybody's keys.
const SECRETS: &[&str] = &[
    "shadow_t",
    "gshadow_t",
    "sshd_key_t",
    "tls_privkey_t",
    "krb5_keytab_t",
    "gpg_secret_t",
    "ssh_home_t",
    "selinux_config_t",
    "semanage_store_t",
];

#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn secrets_are_closed_but_to_who_declares_them() {
    let Some(linked) = linked() else { return };
    let of_ours = || {
        linked.foreign_and_own().filter(|rule| rule.source.starts_with("waagent_") && rule.class == "file")
    };
    let read: BTreeSet<_> = of_ours()
        .filter(|rule| rule.permission == "read" && SECRETS.contains(&rule.target.as_str()))
        .map(|rule| (rule.source.as_str(), rule.target.as_str()))
        .collect();
    let provision = "waagent_provision_t";
    assert_eq!(read, BTreeSet::from([(provision, "ssh_home_t"), (provision, "sshd_key_t")]));
    let reaching = |kind: &str| {
        set(of_ours()
            .filter(|rule| {
                rule.target == kind && ["read", "write", "append"].contains(&rule.permission.as_str())
            })
            .map(|rule| rule.source.as_str()))
    };
    assert_eq!(reaching("waagent_transport_key_t"), set(["waagent_certs_t"]));
    // Handlers read keys of certificates, which is what those are for.
    assert_eq!(reaching("waagent_key_t"), set(["waagent_certs_t", provision, CONFINED]));
}

const WRITING: &[&str] =
    &["add_name", "append", "create", "relabelto", "remove_name", "rename", "unlink", "write"];

/// What others may do with our types, beyond those that may do it with any file: the module gave it to them.
pub fn others(linked: &Linked, ledger: &mut Ledger) -> Vec<String> {
    let domains: BTreeSet<&str> = all_domains().collect();
    // What is executed, configuration and logs, which the distribution lets many read and modes close.
    let is_public = |kind: &str| {
        kind.ends_with("_exec_t")
            || ["waagent_etc_t", "waagent_ext_lib_t", "waagent_log_t", "waagent_ext_log_t"].contains(&kind)
    };
    let is_reading = |rule: &Rule| rule.class == "file" && rule.permission == "read";
    let is_writing = |rule: &Rule| {
        ["dir", "file", "lnk_file"].contains(&rule.class.as_str())
            && WRITING.contains(&rule.permission.as_str())
    };
    let name = |rule: &Rule| match &rule.condition {
        Some(condition) => format!("{} if {condition}", rule.source),
        None => rule.source.clone(),
    };
    let of_any = |does: &dyn Fn(&Rule) -> bool| -> BTreeSet<String> {
        linked
            .rules
            .iter()
            .filter(|rule| rule.target == "waagent_any_file_t" && does(rule))
            .map(name)
            .collect()
    };
    // Domains' own files are those in /proc.
    let of_ours = |does: &dyn Fn(&Rule) -> bool| -> BTreeSet<String> {
        linked
            .foreign_and_own()
            .filter(|rule| rule.target.starts_with("waagent_") && !rule.source.starts_with("waagent_"))
            .filter(|rule| !domains.contains(rule.target.as_str()) && does(rule))
            .map(name)
            .collect()
    };
    let reading = |rule: &Rule| is_reading(rule) && !is_public(&rule.target);
    let mut wrong = Vec::new();
    for (key, ours, any) in [
        ("WRITES", of_ours(&is_writing), of_any(&is_writing)),
        ("READS", of_ours(&reading), of_any(&is_reading)),
    ] {
        let beyond = ours.difference(&any).cloned().collect();
        wrong.extend(ledger.compare("others", key, &BTreeSet::new(), &beyond));
    }
    wrong
}
