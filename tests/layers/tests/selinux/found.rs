//! A grant too many, or one too few, is found: the twin of all comparisons.

use waagent_declaration::{Declaration, Ports};
use waagent_layers::{Ledger, declarations, tables};

use super::declaration::granted;
use super::facts::{KINDS, Kind};
use super::linked;
use super::linked::{COMMON, Linked, Rule};

/// A change of a domain's rules: one more (`target class permission`), or fewer.
enum Change {
    More(&'static str),
    Without(fn(&Rule) -> bool),
}

use Change::{More, Without};

const CHANGES: &[(&str, &str, Change)] = &[
    ("capabilities", "waagent_fetch_t", More("self capability dac_override")),
    (
        "capabilities",
        "waagent_net_t",
        Without(|rule| rule.class == "capability" && rule.permission == "net_admin"),
    ),
    ("families", "waagent_net_t", More("self packet_socket create")),
    (
        "families",
        "waagent_net_t",
        Without(|rule| rule.class.starts_with("netlink_") && rule.permission == "create"),
    ),
    ("connects", "waagent_gate_t", More("smtp_port_t tcp_socket name_connect")),
    ("connects", "waagent_fetch_t", More("waagent_hostga_port_t tcp_socket name_connect")),
    ("connects", "waagent_fetch_t", More("http_port_t tcp_socket name_bind")),
    ("connects", "waagent_gate_t", Without(|rule| rule.target == "waagent_hostga_port_t")),
    ("writes", "waagent_fetch_t", More("waagent_certs_var_lib_t file write")),
    ("writes", "waagent_certs_t", Without(|rule| rule.target == "waagent_certs_var_lib_t")),
    ("writes", "waagent_net_t", More("etc_t file append")),
    ("reads", "waagent_certs_t", More("shadow_t file read")),
    ("reads", "waagent_fetch_t", More("waagent_key_t file read")),
    ("reads", "waagent_fetch_t", Without(|rule| rule.target == "waagent_ext_var_lib_t")),
    ("devices", "waagent_media_t", More("fixed_disk_device_t blk_file read")),
    ("devices", "waagent_media_t", Without(|rule| rule.target == "removable_device_t")),
    ("executes", "waagent_fetch_t", More("shell_exec_t file execute_no_trans")),
    (
        "executes",
        "waagent_provision_t",
        Without(|rule| {
            rule.target == "useradd_t" && rule.class == "process" && rule.permission == "transition"
        }),
    ),
    // Without this, a transition is one that new privileges forbid.
    (
        "executes",
        "waagent_provision_t",
        Without(|rule| rule.target == "useradd_t" && rule.class == "process2"),
    ),
    ("relabels", "waagent_ext_t", More("waagent_key_t file relabelto")),
    ("uses", "waagent_ext_t", More("sshd_unit_t service start")),
    ("uses", "waagent_disk_t", More("kernel_t system module_load")),
    ("uses", "waagent_ext_t", More("sshd_t process ptrace")),
];

fn is_found(linked: &Linked, kind: &Kind, domain: &str, change: &Change) -> bool {
    let declaration = declarations().into_iter().find(|it| it.selinux == domain).unwrap();
    let declared = (kind.declared)(linked, &declaration);
    let (mut own, mut all) = (linked.own(domain), linked.all(domain));
    match change {
        More(rule) => {
            let [target, class, permission] = rule.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{rule}")
            };
            let rule = Rule {
                source: "self".to_owned(),
                target: target.to_owned(),
                class: class.to_owned(),
                permission: permission.to_owned(),
                condition: None,
            };
            own.insert(rule.clone());
            all.insert(rule);
        }
        Without(goes) => {
            let count = all.len();
            own.retain(|rule| !goes(rule));
            all.retain(|rule| !goes(rule));
            assert!(all.len() < count, "{domain} has no such rule");
        }
    }
    let granted = granted(linked, kind, domain, (&own, &all), &declared);
    !Ledger::new(tables()).compare(domain, kind.name, &declared, &granted).is_empty()
}

#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn each_change_of_what_a_domain_grants_is_found() {
    let Some(linked) = linked() else { return };
    for (number, (name, domain, change)) in CHANGES.iter().enumerate() {
        let kind = KINDS.iter().find(|kind| kind.name == *name).unwrap();
        assert!(is_found(linked, kind, domain, change), "change {number}: {name} of {domain}");
    }
}

/// Each entry of a declaration, taken out of it.
fn twins(of: &Declaration) -> Vec<(String, Declaration)> {
    let mut twins = Vec::new();
    let mut add = |what: &str, count: usize, take: &dyn Fn(&mut Declaration, usize)| {
        for at in 0..count {
            let mut twin = of.clone();
            take(&mut twin, at);
            twins.push((format!("{what} {at}"), twin));
        }
    };
    add("reads", of.reads.len(), &|it, at| drop(it.reads.remove(at)));
    add("writes", of.writes.len(), &|it, at| drop(it.writes.remove(at)));
    add("executes", of.executes.len(), &|it, at| drop(it.executes.remove(at)));
    add("devices", of.devices.len(), &|it, at| drop(it.devices.remove(at)));
    if let Ports::Ports(ports) = &of.connects {
        add("connects", ports.len(), &|it, at| {
            if let Ports::Ports(ports) = &mut it.connects {
                ports.remove(at);
            }
        });
    }
    twins
}

/// But for one whose type another entry has as well, or every daemon.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn each_entry_of_each_declaration_is_missed() {
    let Some(linked) = linked() else { return };
    let mut tried = 0;
    for declaration in declarations() {
        let domain = declaration.selinux.as_str();
        let (own, all) = (linked.own(domain), linked.all(domain));
        for (what, twin) in twins(&declaration) {
            for kind in KINDS {
                let (before, after) = ((kind.declared)(linked, &declaration), (kind.declared)(linked, &twin));
                let of_every_daemon = (kind.granted)(linked, COMMON, &linked.all(COMMON));
                if before.difference(&after).all(|word| of_every_daemon.contains(word)) {
                    continue;
                }
                let says = |declared| {
                    let mut ledger = Ledger::new(tables());
                    let granted = granted(linked, kind, domain, (&own, &all), declared);
                    let wrong = ledger.compare(domain, kind.name, declared, &granted);
                    (wrong, ledger.surplus(|subject| subject == domain))
                };
                assert_ne!(says(&before), says(&after), "{domain}: nothing misses {what} as {}", kind.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
}
