use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use waagent_common::documents::Endpoint;
use waagent_common::fault::Fault;
use waagent_common::root::Root;

use super::*;

const WIRESERVER: Ipv4Addr = Endpoint::WELL_KNOWN;
/// 2024-02-01T00:00:00Z.
const NOW: i64 = 1_706_745_600;

fn block(option: &str, expire: &str) -> String {
    format!("lease {{\n  interface \"eth0\";\n  option {option};\n  expire {expire};\n}}\n")
}

fn dhclient(text: &str) -> Option<Ipv4Addr> {
    dhclient::parse(text, NOW).0.address
}

#[test]
fn reads_every_spelling_of_the_option() {
    let forms = [
        ("unknown-245 a8:3f:81:10", WIRESERVER),
        ("private-245 A8:3F:81:10", WIRESERVER),
        ("unknown-245 a:0:0:4", Ipv4Addr::new(10, 0, 0, 4)),
        ("unknown-245 \"\\250?\\201\\020\"", WIRESERVER),
        ("unknown-245 \"a\\\"\\\\b\"", Ipv4Addr::new(b'a', b'"', b'\\', b'b')),
    ];
    for (form, address) in forms {
        assert_eq!(dhclient(&block(form, "never")), Some(address), "{form}");
    }
}

#[test]
fn an_expired_lease_names_nothing_and_the_last_valid_one_holds() {
    let option = "unknown-245 a8:3f:81:10";
    for (expire, valid) in [
        ("4 2024/02/01 00:00:01", true),
        ("3 2024/01/31 23:59:59", false),
        ("epoch 1706745601; # later", true),
        ("epoch 1706745599", false),
        ("never", true),
        ("4 2024/13/45 99:99:99", false),
        ("", false),
    ] {
        assert_eq!(dhclient(&block(option, expire)).is_some(), valid, "{expire}");
    }
    let text = block(option, "never")
        + &block("unknown-245 a:0:0:4", "never")
        + &block("unknown-245 a:0:0:5", "3 2024/01/31 00:00:00");
    let (found, warnings) = dhclient::parse(&text, NOW);
    assert_eq!(found.address, Some(Ipv4Addr::new(10, 0, 0, 4)));
    assert_eq!((found.interface.as_deref(), warnings.len()), (Some("eth0"), 0));
}

#[test]
fn refuses_options_that_are_not_four_bytes_and_names_the_line() {
    for value in
        ["a8:3f:81", "a8:3f:81:10:0", "a8:3f:81:100", "x", "\"abc\"", "\"abc\\\"", "", "::::", "\"\\"]
    {
        let text = block(&format!("unknown-245 {value}"), "never");
        let (found, warnings) = dhclient::parse(&text, NOW);
        assert_eq!(found.address, None, "{value}");
        assert_eq!(warnings, ["line 3: option 245 isn't 4 bytes"], "{value}");
    }
    for value in ["a83f811", "a83f81100", "+83f8110", "a83f811g", ""] {
        let (found, warnings) = keyvalue::parse(&format!("# private\nOPTION_245={value}\n"));
        assert_eq!(found.address, None, "{value}");
        assert_eq!(warnings, ["line 2: OPTION_245 isn't 8 hexadecimal digits"], "{value}");
    }
    assert_eq!(keyvalue::parse("OPTION_245=a83f8110\n").0.address, Some(WIRESERVER));
}

fn packet(options: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 236];
    packet.extend([0x63, 0x82, 0x53, 0x63]);
    packet.extend(options);
    packet
}

#[test]
fn reads_packets_of_dhcpcd_and_refuses_torn_ones() {
    let good = [53, 1, 5, 0, 0, 245, 4, 168, 63, 129, 16, 255];
    assert_eq!(dhcpcd::parse(&packet(&good)).unwrap().address, Some(WIRESERVER));
    assert_eq!(dhcpcd::parse(&packet(&[53, 1, 5, 255, 245, 4, 1, 2, 3, 4])).unwrap().address, None);
    assert_eq!(dhcpcd::parse(&packet(&[53, 1, 5])).unwrap().address, None);
    assert_eq!(dhcpcd::parse(&packet(&[245, 3, 1, 2, 3])), Err(Fault::data("option 245 isn't 4 bytes")));
    assert_eq!(
        dhcpcd::parse(&packet(&[245, 4, 1, 2, 3])),
        Err(Fault::data("an option is longer than the packet"))
    );
    assert_eq!(dhcpcd::parse(&packet(&[245])), Err(Fault::data("an option has no length")));
    assert_eq!(dhcpcd::parse(&[0; 239]), Err(Fault::data("no DHCP packet")));
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn finds_the_files_of_each_client() {
    let root = tempfile::tempdir().unwrap();
    let text = block("unknown-245 a8:3f:81:10", "never");
    let anonymous = text.replace("  interface \"eth0\";\n", "");
    let uuid = "5fb06bd0-0bb0-7ffb-45f1-d6edd65f3e03";
    put(root.path(), "run/systemd/netif/leases/1", b"OPTION_245=a83f8110\n");
    put(root.path(), "var/lib/dhcp/dhclient.eth1.leases", anonymous.as_bytes());
    put(root.path(), &format!("var/lib/dhclient/dhclient-{uuid}-eth2.lease"), anonymous.as_bytes());
    put(root.path(), &format!("var/lib/NetworkManager/internal-{uuid}-a-b.lease"), b"OPTION_245=a83f8110\n");
    put(root.path(), "var/lib/dhcpcd/eth4.lease", &packet(&[245, 4, 168, 63, 129, 16]));
    put(root.path(), "var/lib/dhcp/other.conf", text.as_bytes());
    let leases = files::read(&Root::new(root.path()));
    let interfaces: Vec<_> = leases.iter().map(|lease| lease.interface.as_deref().unwrap()).collect();
    assert_eq!(interfaces, ["lo", "eth1", "eth2", "a-b", "eth4"]);
    assert!(leases.iter().all(|lease| lease.address == WIRESERVER));
}

#[test]
fn passes_over_hostile_files_and_still_reads_the_good_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = "run/systemd/netif/leases";
    put(root.path(), &format!("{folder}/5"), b"OPTION_245=a83f8110\n");
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut count = 0;
    for entry in fs::read_dir(hostile).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        put(root.path(), &format!("{folder}/1{count}"), &bytes);
        put(root.path(), &format!("var/lib/dhcp/dhclient.{}.leases", entry.file_name().display()), &bytes);
        count += 1;
    }
    assert!(count >= 4);
    let mut big = b"OPTION_245=0a000004\n".to_vec();
    big.resize((1 << 20) + 1, b'\n');
    put(root.path(), &format!("{folder}/200"), &big);
    symlink("/dev/zero", root.path().join(folder).join("201")).unwrap();
    symlink(root.path().join(folder).join("5"), root.path().join(folder).join("202")).unwrap();
    let fifo = root.path().join(folder).join("203");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(root.path().join(folder).join("204")).unwrap();
    // Not an interface's number: not the client's own.
    put(root.path(), &format!("{folder}/4.bak"), b"OPTION_245=a83f8110\n");
    let leases = files::read(&Root::new(root.path()));
    assert_eq!(leases.iter().map(|lease| lease.address).collect::<Vec<_>>(), [WIRESERVER]);
    assert!(leases[0].file.ends_with("/5"));
}
