//! The module, compiled and linked with the guest's policy, as lists of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use waagent_layers::{has, repository, tool};

use super::view::View;
use super::{CONFINED, DOMAINS, RUNNER};

/// One permission, without attributes. In a domain's own rules the domain is `self`, its program's type `self_exec_t`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    pub source: String,
    pub target: String,
    pub class: String,
    pub permission: String,
    /// `[boolean]:True`.
    pub condition: Option<String>,
}

/// A change of domain when a type is executed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transition {
    pub source: String,
    pub executed: String,
    pub domain: String,
    pub condition: Option<String>,
}

#[derive(Debug)]
pub struct Linked {
    pub view: View,
    /// Members of each attribute.
    pub attributes: BTreeMap<String, BTreeSet<String>>,
    /// All rules of our own domains but the runner's; of others what lets them change, read, enter or drive ours.
    pub rules: BTreeSet<Rule>,
    pub transitions: Vec<Transition>,
    /// Type by path in a file system without labels: file system, path, type.
    pub genfscon: Vec<(String, String, String)>,
    pub types: Mutex<BTreeMap<(String, &'static str), String>>,
}

/// The probe's types: what the distribution gives every daemon, and what the attribute of our domains gives.
pub const BARE: &str = "waagent_bare_t";
pub const COMMON: &str = "waagent_common_t";

impl Linked {
    pub fn new() -> Result<Self, String> {
        if !waagent_untested::is_root("to make a view of the guest's file system") {
            return Err("see above".to_owned());
        }
        if let Some(missing) = ["m4", "checkmodule"].iter().find(|name| !has(name)) {
            return Err(format!("{missing} isn't installed; tests/vm/packages does it"));
        }
        let view = View::new()?;
        let scratch = tempfile::tempdir().unwrap();
        compile(&view.base, scratch.path());
        link(&view, scratch.path());
        let attributes = members(&view.said(&["seinfo", "/tmp/policy", "-a", "-x"]));
        let rules = expand(&view.said(&["sesearch", "-A", "/tmp/policy"]), &attributes);
        let said = view.said(&["sesearch", "-T", "-c", "process", "/tmp/policy"]);
        let transitions: Vec<Transition> = said.lines().filter_map(transition).collect();
        let genfscon = view.said(&["seinfo", "/tmp/policy", "--genfscon", "-x"]);
        if let Some(path) = std::env::var_os("RULES") {
            fs::write(path, format!("{rules:#?}{transitions:#?}")).unwrap();
        }
        Ok(Self {
            genfscon: genfscon.lines().filter_map(type_of_prefix).collect(),
            types: Mutex::default(),
            view,
            attributes,
            rules,
            transitions,
        })
    }

    /// All rules of a domain.
    pub fn all(&self, domain: &str) -> BTreeSet<Rule> {
        let program = format!("{}_exec_t", domain.trim_end_matches("_t"));
        let own = |target: &str| {
            match target {
                _ if target == domain => "self",
                _ if target == program => "self_exec_t",
                _ => target,
            }
            .to_owned()
        };
        let of_domain = self.rules.iter().filter(|rule| rule.source == domain);
        of_domain
            .map(|rule| Rule { source: "self".to_owned(), target: own(&rule.target), ..rule.clone() })
            .collect()
    }

    /// What is a domain's alone.
    pub fn own(&self, domain: &str) -> BTreeSet<Rule> {
        let common = if domain == COMMON { BARE } else { COMMON };
        self.all(domain).difference(&self.all(common)).cloned().collect()
    }

    /// Rules but for those of the probe's types, and of the runner.
    pub fn foreign_and_own(&self) -> impl Iterator<Item = &Rule> {
        let is_probe = |name: &str| {
            ["waagent_bare_", "waagent_common_", "waagent_any_"].iter().any(|it| name.starts_with(it))
        };
        self.rules
            .iter()
            .filter(move |rule| !is_probe(&rule.source) && !is_probe(&rule.target) && rule.source != RUNNER)
    }
}

/// All domains of ours.
pub fn all_domains() -> impl Iterator<Item = &'static str> {
    DOMAINS.into_iter().chain([RUNNER, CONFINED])
}

/// The compiler's own words are a failure: a warning of today is an error of the next one.
fn compile(base: &Path, scratch: &Path) {
    let headers = base.join("policy-dev/usr/share/selinux");
    let headers = headers.to_str().unwrap();
    let build = repository().join("selinux/build");
    let module = scratch.join("module");
    let words = ["env", "POLICY_NAME=default", build.to_str().unwrap(), module.to_str().unwrap(), headers];
    let said = tool(&words);
    let usual = ["Compiling default waagent module", "Creating default waagent.pp policy package"];
    let unusual: Vec<&str> = said.all.lines().filter(|line| !usual.contains(line)).collect();
    assert!(said.is_success && unusual.is_empty(), "the module doesn't compile without a word: {unusual:#?}");

    let probe = scratch.join("probe");
    fs::create_dir(&probe).unwrap();
    fs::copy(repository().join("tests/layers/probe.te"), probe.join("waagent_probe.te")).unwrap();
    fs::copy(repository().join("selinux/waagent.if"), probe.join("waagent.if")).unwrap();
    let said = tool(&[
        "make",
        "--no-print-directory",
        "-s",
        "-C",
        probe.to_str().unwrap(),
        "-f",
        &format!("{headers}/devel/Makefile"),
        &format!("SHAREDIR={headers}"),
        "NAME=default",
        "waagent_probe.pp",
    ]);
    assert!(said.is_success, "{}", said.all);
}

/// Loads both into the guest's policy, which is then `/tmp/policy`.
fn link(view: &View, scratch: &Path) {
    let folder = view.path("/tmp/modules");
    fs::create_dir(&folder).unwrap();
    let modules = [
        scratch.join("module/waagent.pp"),
        scratch.join("probe/waagent_probe.pp"),
        repository().join("selinux/waagent-ports.cil"),
    ];
    let mut words = vec!["semodule", "-s", "default", "-n", "-X", "400"];
    let paths: Vec<String> = modules
        .iter()
        .map(|module| {
            let name = module.file_name().unwrap();
            fs::copy(module, folder.join(name)).unwrap();
            format!("/tmp/modules/{}", name.to_str().unwrap())
        })
        .collect();
    words.extend(paths.iter().flat_map(|path| ["-i", path.as_str()]));
    view.said(&words);
    view.said(&["sh", "-c", "cp /etc/selinux/default/policy/policy.* /tmp/policy"]);
}

fn members(said: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut attribute = "";
    for line in said.lines() {
        let line = line.trim().trim_end_matches(';');
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["attribute", name] => attribute = name,
            [member] => drop(all.entry(attribute.to_owned()).or_default().insert(member.to_owned())),
            _ => {}
        }
    }
    assert!(all.contains_key("waagent_domain"), "seinfo names no attribute of ours");
    all
}

/// Classes and permissions of others that reach ours.
const REACHING_CLASSES: &[&str] = &["dir", "file", "lnk_file", "process", "service"];
const REACHING: &[&str] = &[
    "add_name",
    "append",
    "create",
    "dyntransition",
    "entrypoint",
    "ptrace",
    "read",
    "relabelto",
    "remove_name",
    "rename",
    "start",
    "stop",
    "transition",
    "unlink",
    "write",
];

/// Rules without attributes, one permission each.
fn expand(said: &str, attributes: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Rule> {
    let is_ours = |name: &str| name.starts_with("waagent_");
    let mut rules = BTreeSet::new();
    for line in said.lines() {
        let Some((sources, targets, class, permissions, condition)) = parsed(line, attributes) else {
            continue;
        };
        for source in &sources {
            let ours = is_ours(source) && source != RUNNER;
            if !ours && !REACHING_CLASSES.contains(&class) {
                continue;
            }
            for target in targets.iter().filter(|target| ours || is_ours(target)) {
                for permission in permissions.iter().filter(|it| ours || REACHING.contains(it)) {
                    rules.insert(Rule {
                        source: source.clone(),
                        target: target.clone(),
                        class: class.to_owned(),
                        permission: (*permission).to_owned(),
                        condition: condition.clone(),
                    });
                }
            }
        }
    }
    assert!(rules.len() > 1000, "only {} rules", rules.len());
    rules
}

type Parsed<'a> = (BTreeSet<String>, BTreeSet<String>, &'a str, Vec<&'a str>, Option<String>);

/// `allow source target:class { permissions }; [ boolean ]:True`.
fn parsed<'a>(line: &'a str, attributes: &BTreeMap<String, BTreeSet<String>>) -> Option<Parsed<'a>> {
    let rest = line.trim().strip_prefix("allow ")?;
    let (rule, condition) = rest.split_once(';')?;
    let condition = Some(condition.replace(' ', "")).filter(|condition| !condition.is_empty());
    let (source, rest) = rule.split_once(' ')?;
    let (target, rest) = rest.split_once(':')?;
    let (class, permissions) = rest.split_once(' ')?;
    let names =
        |name: &str| attributes.get(name).cloned().unwrap_or_else(|| BTreeSet::from([name.to_owned()]));
    let permissions = permissions.split_whitespace().filter(|word| !["{", "}"].contains(word)).collect();
    Some((names(source), names(target), class, permissions, condition))
}

/// `type_transition source executed:process domain; [ boolean ]:False`.
fn transition(line: &str) -> Option<Transition> {
    let rest = line.trim().strip_prefix("type_transition ")?;
    let (rule, condition) = rest.split_once(';')?;
    let [source, executed, domain] = rule.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    Some(Transition {
        source: source.to_owned(),
        executed: executed.strip_suffix(":process")?.to_owned(),
        domain: domain.to_owned(),
        condition: Some(condition.replace(' ', "")).filter(|condition| !condition.is_empty()),
    })
}

/// `genfscon proc /sys/kernel  system_u:object_r:sysctl_kernel_t:s0`.
fn type_of_prefix(line: &str) -> Option<(String, String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["genfscon", file_system, path, .., context] = words[..] else { return None };
    Some((file_system.to_owned(), path.to_owned(), context.split(':').nth(2)?.to_owned()))
}
