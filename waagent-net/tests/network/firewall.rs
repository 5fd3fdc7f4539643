//! The firewall in a network namespace of its own: what is in force, who gets through, what stays untouched.

use std::fs;
use std::process::Stdio;

use caps::CapsHashSet;
use serde_json::json;

use super::space::{NOBODY, Space, connects, connects_to, listen, nft, rulesets, run, said, stamps};

/// What `nft` makes of the same wish: the measure of our bytes.
const BY_NFT: &str = "table ip walinuxagent {
    chain output {
        type filter hook output priority 0; policy accept;
        ip daddr 168.63.129.16 tcp dport != 53 tcp flags & (syn|ack) == syn meta skuid != 0 counter drop
    }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ip daddr 168.63.129.16 tcp dport 80 counter drop
        ip daddr 168.63.129.16 tcp dport 32526 counter drop
    }
}
";

/// Rules of an administrator, of firewalld's kind and of WALinuxAgent's.
const OTHERS: &str = "table inet firewalld {
    set known {
        type ipv4_addr
        elements = { 168.63.129.16, 10.0.0.1 }
    }
    chain output {
        type filter hook output priority 10;
        ip daddr @known accept
    }
}
table ip6 walinuxagent {
    chain output {
        type filter hook output priority 0;
        tcp dport 99 drop
    }
}
table ip security {
    chain OUTPUT {
        type filter hook output priority 50;
        ip daddr 168.63.129.16 tcp dport 53 counter accept
    }
}
";

#[test]
fn sets_what_nft_would_set_byte_for_byte() {
    let Some(space) = Space::new("") else { return };
    nft(BY_NFT);
    let list = ["--debug=netlink", "list", "table", "ip", "walinuxagent"];
    let (netlink, (_, text)) = (run("nft", &list), rulesets());
    let (code, told) = space.net(&["firewall"]);
    assert_eq!(code, 0, "{told}");
    run("nft", &["delete", "table", "ip", "walinuxagent"]);
    assert_eq!(space.net(&["firewall"]).0, 0);
    assert_eq!((rulesets().1, without_handles(&run("nft", &list))), (text, without_handles(&netlink)));
}

/// Lines `ip <table> <chain> <handle> [<before>]` count up with each rule ever made.
fn without_handles(listed: &str) -> String {
    let cut = |line: &str| match line.strip_prefix("ip walinuxagent ") {
        Some(rest) => rest.split(' ').next().unwrap_or_default().to_owned(),
        None => line.to_owned(),
    };
    listed.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[test]
fn finds_a_table_that_nft_made_in_order_and_leaves_it_alone() {
    let Some(space) = Space::new("") else { return };
    nft(BY_NFT);
    let before = run("nft", &["-a", "-j", "list", "ruleset"]);
    assert_eq!(space.net(&["firewall"]).0, 0);
    assert_eq!(run("nft", &["-a", "-j", "list", "ruleset"]), before);
}

#[test]
fn a_second_run_does_nothing_and_says_so() {
    let Some(space) = Space::new("") else { return };
    let (code, told) = space.net(&[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("set 3 firewall rules for 168.63.129.16"), "{told}");
    let handles = run("nft", &["-a", "-j", "list", "ruleset"]);
    let files = stamps(&space.path("var/lib/waagent/net"));
    assert_eq!(files.len(), 4, "{files:?}");
    for arguments in [&[][..], &["firewall"], &["--plan"], &["firewall", "--plan"]] {
        let (code, told) = space.net(arguments);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("nothing to do"), "{arguments:?}: {told}");
    }
    assert_eq!(run("nft", &["-a", "-j", "list", "ruleset"]), handles);
    assert_eq!(stamps(&space.path("var/lib/waagent/net")), files);
}

#[test]
fn touches_no_rule_of_anybody_else_whether_it_sets_or_removes() {
    let Some(space) = Space::new("") else { return };
    nft(OTHERS);
    let (others, _) = rulesets();
    let (code, told) = space.net(&["firewall"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(rulesets().0, others);
    let foreign = space.body("firewall.json")["foreign"].clone();
    let named = ["table inet firewalld", "table ip security", "table ip6 walinuxagent"];
    let rule = "rule in ip security OUTPUT for 168.63.129.16";
    assert_eq!(foreign, json!([named[0], named[1], named[2], rule]));

    space.write("etc/waagent.conf", "OS.EnableFirewall=n\n");
    let (code, told) = space.net(&["firewall"]);
    assert_eq!((code, rulesets()), (0, (others, String::new())), "{told}");
    assert!(told.contains("firewall off (OS.EnableFirewall=n)"), "{told}");
    assert_eq!(space.body("firewall.json")["state"], "off");
    assert!(space.net(&["firewall"]).1.contains("nothing to do"));
}

#[test]
fn lets_root_and_dns_through_and_nobody_else() {
    let Some(space) = Space::new("") else { return };
    let _listening = listen(&[53, 80, 8080, 32526]);
    assert!(connects(NOBODY, 80), "without firewall");
    assert_eq!(space.net(&["firewall"]).0, 0);
    for port in [53, 80, 8080, 32526] {
        assert!(connects(0, port), "root to {port}");
        assert_eq!(connects(NOBODY, port), port == 53, "nobody to {port}");
    }
    let elsewhere = std::net::TcpListener::bind(("127.0.0.1", 80)).unwrap();
    assert!(connects_to(NOBODY, elsewhere.local_addr().unwrap()), "port 80 of another address");
    assert_eq!(space.net(&["firewall"]).0, 0);
    let dropped = space.body("firewall.json")["dropped"]["packets"].as_u64().unwrap();
    assert!(dropped >= 3, "{dropped} counted");
}

#[test]
fn stops_an_ordinary_process_of_another_user() {
    let Some(space) = Space::new("") else { return };
    let _listening = listen(&[80]);
    let connect = |uid: &str| {
        let script = "timeout 0.3 bash -c '</dev/tcp/168.63.129.16/80'";
        let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
        let arguments = [&user, &group, "--clear-groups", "sh", "-c", script];
        said(&std::process::Command::new("setpriv").args(arguments).output().unwrap()).0
    };
    assert_eq!(connect("65534"), 0);
    assert_eq!(space.net(&["firewall"]).0, 0);
    assert_eq!(connect("65534"), 124, "dropped: no answer, no refusal");
    assert_eq!(connect("0"), 0);
}

#[test]
fn puts_right_whatever_was_altered() {
    let Some(space) = Space::new("") else { return };
    nft(OTHERS);
    assert_eq!(space.net(&["firewall"]).0, 0);
    let (others, good) = rulesets();
    let alterations = [
        "add rule ip walinuxagent output accept",
        "insert rule ip walinuxagent output tcp dport 80 accept",
        "flush chain ip walinuxagent output",
        "flush table ip walinuxagent",
        "delete table ip walinuxagent",
        "add chain ip walinuxagent output { policy drop; }",
        "add chain ip walinuxagent stray",
        "add table ip walinuxagent { flags dormant; }",
        "flush chain ip walinuxagent output; add rule ip walinuxagent output ip daddr 168.63.129.16 tcp \
         dport != 53 tcp flags & (syn|ack) == syn meta skuid != 1000 counter drop",
        // What WALinuxAgent leaves behind.
        "delete table ip walinuxagent; add table ip walinuxagent; add chain ip walinuxagent output { type \
         filter hook output priority 0 ; policy accept ; }; add rule ip walinuxagent output ip daddr \
         168.63.129.16 tcp dport != 53 skuid != 0 ct state invalid,new counter drop",
    ];
    for alteration in alterations {
        nft(&alteration.replace("; add", "\nadd"));
        let (code, told) = space.net(&["firewall"]);
        assert_eq!((code, rulesets()), (0, (others.clone(), good.clone())), "{alteration}: {told}");
        assert!(told.contains("set 3 firewall rules"), "{alteration}: {told}");
    }
}

#[test]
fn a_plan_says_what_nft_would_do_and_changes_nothing() {
    let Some(space) = Space::new("") else { return };
    let (code, plan) = space.net(&["--plan"]);
    assert_eq!(code, 0, "{plan}");
    assert!(plan.contains("write net/endpoint.json: 168.63.129.16 (default)"), "{plan}");
    assert_eq!(run("nft", &["list", "ruleset"]), "");
    assert!(stamps(&space.path("var/lib/waagent/net")).is_empty());
    assert!(stamps(&space.path("run/waagent/net")).is_empty());
    // The words are nft's own: fed to it, they make what we would make.
    let script: Vec<&str> = plan.lines().filter(|line| line.starts_with("add ")).collect();
    nft(&script.join("\n"));
    assert!(space.net(&["firewall", "--plan"]).1.contains("nothing to do"));
}

#[test]
fn follows_the_endpoint_to_another_address() {
    let Some(space) = Space::new("Protocol.AllowedEndpoints=10.9.8.7\n") else { return };
    assert_eq!(space.net(&[]).0, 0);
    assert!(rulesets().1.contains("ip daddr 168.63.129.16 "));
    space.write("run/systemd/netif/leases/1", "ADDRESS=10.0.0.4\nOPTION_245=0a090807\n");
    let (code, told) = space.net(&[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("WireServer is 10.9.8.7 (lease of lo)"), "{told}");
    let (_, ours) = rulesets();
    assert_eq!((ours.matches("10.9.8.7").count(), ours.matches("168.63.129.16").count()), (3, 0), "{ours}");
    let endpoint =
        json!({"address": "10.9.8.7", "source": "lease", "interface": "lo", "option_245": "10.9.8.7"});
    assert_eq!(space.body("endpoint.json"), endpoint);
    let plain = |name| fs::read_to_string(space.path("var/lib/waagent/net").join(name)).unwrap();
    assert_eq!((plain("WireServerEndpoint"), plain("Protocol")), ("10.9.8.7".into(), "WireProtocol".into()));
    // The next boot, before any lease: the last address. Allowed no more: the well-known one.
    run("nft", &["flush", "ruleset"]);
    assert_eq!(space.net(&["firewall"]).0, 0);
    assert!(rulesets().1.contains("ip daddr 10.9.8.7 "));
    space.write("etc/waagent.conf", "OS.EnableFirewall=y\n");
    let (code, told) = space.net(&["firewall"]);
    assert!(code == 0 && told.contains("10.9.8.7 isn't in Protocol.AllowedEndpoints, using 168"), "{told}");
    assert!(rulesets().1.contains("ip daddr 168.63.129.16 "));
}

#[test]
fn refuses_a_lease_that_names_another_server() {
    // A false DHCP server.
    let Some(space) = Space::new("") else { return };
    space.write("run/systemd/netif/leases/1", "OPTION_245=0a090807\n");
    let (code, told) = space.net(&[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("names 10.9.8.7 as WireServer (option 245)"), "{told}");
    let body = space.body("endpoint.json");
    assert_eq!((&body["address"], &body["option_245"]), (&json!("168.63.129.16"), &json!("10.9.8.7")));
    assert!(rulesets().1.contains("ip daddr 168.63.129.16 "));
}

#[test]
fn a_damaged_document_is_said_and_the_well_known_address_protected() {
    let Some(space) = Space::new("") else { return };
    let path = "var/lib/waagent/net/endpoint.json";
    space.write(path, "{\"schema\": \"waagent/endpoint/2\"}");
    let (code, told) = space.net(&["firewall"]);
    assert!(code == 0 && told.contains("endpoint.json': schema 'waagent/endpoint/2' isn't"), "{told}");
    assert!(rulesets().1.contains("ip daddr 168.63.129.16 "));
    assert_eq!(fs::read_to_string(space.path(path)).unwrap(), "{\"schema\": \"waagent/endpoint/2\"}");
}

#[test]
fn needs_one_capability_and_says_so() {
    let Some(space) = Space::new("") else { return };
    let without = space.command_with(CapsHashSet::new(), &["firewall"]).output().unwrap();
    let (code, told) = said(&without);
    assert_eq!(code, 77, "{told}");
    assert!(told.contains("CAP_NET_ADMIN is missing"), "{told}");
    assert_eq!(rulesets().1, "");
    let body = space.body("firewall.json");
    assert_eq!(body["state"], "unprotected");
    assert!(body["problem"].as_str().unwrap().contains("CAP_NET_ADMIN"));
    let (code, told) = space.net(&["firewall"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(space.body("firewall.json")["state"], "protected");
}

#[test]
fn killed_anywhere_leaves_all_or_nothing_and_the_next_run_ends_the_same() {
    let Some(space) = Space::new("") else { return };
    assert_eq!(space.net(&[]).0, 0);
    let (_, good) = rulesets();
    let mut seen = [0; 2];
    for delay in 0..40_u64 {
        run("nft", &["delete", "table", "ip", "walinuxagent"]);
        let mut child = space.command(&[]).stderr(Stdio::null()).spawn().unwrap();
        // From before the first step to after the last.
        let until = std::time::Instant::now() + std::time::Duration::from_micros(delay * 300);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (_, ours) = rulesets();
        assert!(ours.is_empty() || ours == good, "half of it: {ours}");
        seen[usize::from(ours.is_empty())] += 1;
        let (code, told) = space.net(&[]);
        assert_eq!((code, rulesets().1), (0, good.clone()), "{told}");
    }
    eprintln!("killed after {} and before {} transactions", seen[0], seen[1]);
    assert_eq!(space.net(&[]).1.matches("nothing to do").count(), 1);
}

#[test]
fn two_runs_at_a_time_are_one_too_many() {
    let Some(space) = Space::new("") else { return };
    let lock = fs::File::create(space.path("run/waagent/net/lock")).unwrap();
    std::os::unix::fs::chown(space.path("run/waagent/net/lock"), Some(NOBODY), Some(NOBODY)).unwrap();
    lock.lock().unwrap();
    let (code, told) = space.net(&["firewall"]);
    assert_eq!(code, 75, "{told}");
    assert!(told.contains("net/lock'; wait for it"), "{told}");
    assert_eq!(rulesets().1, "");
    drop(lock);
    assert_eq!(space.net(&["firewall"]).0, 0);
}
