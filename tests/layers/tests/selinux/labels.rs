//! Labels of what we own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use waagent_layers::{Installed, Ledger, declarations, none, tables, text, tool};

use super::facts::{our_places, what};
use super::linked;
use super::linked::Linked;
use super::types::{ANY, Kind};

/// Lines of tmpfiles of one letter: path, and the last word.
fn made_by_tmpfiles(letter: &str) -> Vec<(String, String)> {
    text("systemd/waagent.tmpfiles.conf")
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_one = words.first() == Some(&letter);
            is_one.then(|| (words[1].to_owned(), words.last().unwrap().to_string()))
        })
        .collect()
}

/// Those that have a type of somebody else's.
fn foreign<'a>(linked: &Linked, paths: impl IntoIterator<Item = &'a str>, kind: Kind) -> Vec<String> {
    paths
        .into_iter()
        .map(|path| (path, linked.type_of(path, kind)))
        .filter(|(_, found)| !found.starts_with("waagent_"))
        .map(|(path, found)| format!("'{path}' is {found}"))
        .collect()
}

/// Files below a folder, as absolute paths of the machine.
fn files(root: &Path, below: &str) -> Vec<String> {
    let folder = root.join(below);
    let said = tool(&["find", folder.to_str().unwrap(), "-type", "f", "-printf", "%P\\n"]).output;
    said.lines().map(|line| format!("/{below}/{line}")).collect()
}

#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn what_tmpfiles_makes_and_programs_declare_has_a_type_of_ours() {
    let Some(linked) = linked() else { return };
    let mut wrong = Vec::new();
    for (letter, kind) in [("d", "dir"), ("f", "file"), ("L", "symlink")] {
        let made = made_by_tmpfiles(letter);
        assert!(!made.is_empty(), "{letter}");
        // The process number's name is PID 1's folder's.
        let ours = made.iter().map(|(path, _)| path.as_str()).filter(|path| *path != "/run/waagent.pid");
        wrong.extend(foreign(linked, ours, kind));
    }
    let folders = ["/var/lib/waagent", "/run/waagent", "/var/log/waagent", "/var/log/azure", "/etc/waagent"];
    for declaration in declarations() {
        let declared = what(&declaration.writes).chain(what(&declaration.reads));
        let ours = declared.filter(|path| folders.iter().any(|folder| path.starts_with(folder)));
        wrong.extend(foreign(linked, ours, ANY));
    }
    none(&wrong);
}

/// One binary, one domain; who starts the others keeps his own.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn what_is_installed_has_its_type() {
    let Some(linked) = linked() else { return };
    let installed = Installed::new();
    let mut wrong = Vec::new();
    for folder in ["usr/libexec/waagent", "usr/sbin"] {
        for path in files(&installed.root(), folder) {
            let name = path.rsplit('/').next().unwrap();
            let expected = match name {
                "waagent" | "waagent-supervise" => "bin_t".to_owned(),
                name => format!("{}_exec_t", name.replace('-', "_")),
            };
            let found = linked.type_of(&path, "file");
            if found != expected {
                wrong.push(format!("'{path}' is {found}"));
            }
        }
    }
    let units = files(&installed.root(), "usr/lib/systemd/system");
    assert!(units.len() > 30);
    for path in units {
        let found = linked.type_of(&path, "file");
        let is_the_runners = path.ends_with("/waagent-ext-run@.service");
        if !found.ends_with("_unit_t") || is_the_runners != (found == "waagent_ext_run_unit_t") {
            wrong.push(format!("'{path}' is {found}"));
        }
    }
    let said = tool(&[
        "find",
        installed.root().join("etc").to_str().unwrap(),
        "-name",
        "waagent*",
        "-printf",
        "/etc/%P\\n",
    ]);
    assert!(said.output.lines().count() > 1);
    wrong.extend(foreign(linked, said.output.lines(), ANY));
    none(&wrong);
}

#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn keys_have_types_of_their_own() {
    let Some(linked) = linked() else { return };
    for (name, expected) in [
        ("TransportPrivate.pem", "waagent_transport_key_t"),
        ("TransportPrivate.next.pem", "waagent_transport_key_t"),
        ("0123456789ABCDEF.prv", "waagent_key_t"),
        ("0123456789ABCDEF.crt", "waagent_certs_var_lib_t"),
    ] {
        assert_eq!(linked.type_of(&format!("/var/lib/waagent/certs/{name}"), "file"), expected, "{name}");
    }
}

/// Made in a folder, a file has the folder's type; made by tmpfiles or a package, the type of its path. What has another
/// type than its folder by its path alone would be relabelled by restorecon: the table says who gives it that type.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn what_has_another_type_than_its_folder_gets_it_when_it_is_made() {
    let Some(linked) = linked() else { return };
    let installed = Installed::new();
    let made: BTreeSet<String> =
        ["d", "f"].into_iter().flat_map(made_by_tmpfiles).map(|(path, _)| path).collect();
    let waiting: BTreeSet<String> = our_places()
        .into_iter()
        .filter(|(root, _)| !made.contains(root) && !installed.root().join(&root[1..]).exists())
        .filter(|(root, kind)| {
            let folder = root.rsplit_once('/').map_or("/", |(folder, _)| folder);
            linked.type_of(if folder.is_empty() { "/" } else { folder }, "dir") != *kind
        })
        .map(|(_, kind)| kind)
        .collect();
    let mut ledger = Ledger::new(tables());
    none(&ledger.compare("waagent.fc", "labels", &BTreeSet::new(), &waiting));
    none(&ledger.surplus(|subject| subject == "waagent.fc"));
}

/// All that we own, with documents, keys, a handler's folder and a command's log.
fn make_a_machine(root: &Path) {
    let installed = Installed::new();
    assert!(
        tool(&["cp", "-a", installed.root().join(".").to_str().unwrap(), root.to_str().unwrap()]).is_success
    );
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let file = |path: &str| {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), "").unwrap();
    };
    for (path, _) in made_by_tmpfiles("d") {
        fs::create_dir_all(at(&path)).unwrap();
    }
    for (path, _) in made_by_tmpfiles("f") {
        file(&path);
    }
    for (path, target) in made_by_tmpfiles("L") {
        std::os::unix::fs::symlink(target, at(&path)).unwrap();
    }
    fs::create_dir_all(at("/var/log/azure/Contoso.Monitor")).unwrap();
    let lib = "/var/lib/waagent";
    fs::create_dir_all(at(&format!("{lib}/.Contoso.Monitor-1.2.3.4.trash-1"))).unwrap();
    for digit in 0..10 {
        file(&format!("{lib}/certs/{digit}ABCDEF.prv"));
    }
    for path in [
        "certs/TransportPrivate.pem",
        "certs/0ABCDEF.crt",
        "certs/certificates.json",
        "fetch/goal-state.json",
        "fetch/packages/a.zip",
        "fetch/private/u.json",
        "ext/commands/1.json",
        "ext/results/1.out",
        "CustomData",
        "provisioned",
        "ovf-env.xml",
        "Contoso.Monitor-1.2.3.4/bin/run",
    ] {
        file(&format!("{lib}/{path}"));
    }
}

/// Labelled once, setfiles finds nothing to do, and every file has the type that its path has.
#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn labelled_once_setfiles_finds_nothing_to_do() {
    const CONTEXTS: &str = "/etc/selinux/default/contexts/files/file_contexts";
    let Some(linked) = linked() else { return };
    make_a_machine(&linked.view.path("/machine"));
    linked.view.said(&["setfiles", "-F", "-r", "/machine", CONTEXTS, "/machine"]);
    let again = linked.view.inside(&["setfiles", "-F", "-n", "-v", "-r", "/machine", CONTEXTS, "/machine"]);
    assert!(again.is_success && again.all.trim().is_empty(), "{}", again.all);
    // The link to the process number has no type by its path, and keeps the one of /run.
    let all = "find /machine -path '*aagent*' ! -path /machine/run/waagent.pid -exec stat -c '%n %C' {} +";
    let said = linked.view.said(&["sh", "-c", all]);
    assert!(said.lines().count() > 80, "only these were made: {said}");
    let has_no_type = |line: &&str| {
        let kind = line.split(':').nth(2).unwrap_or("");
        !kind.ends_with("_t") || kind == "unlabeled_t"
    };
    let without: Vec<String> = said.lines().filter(has_no_type).map(str::to_owned).collect();
    none(&without);
}
