//! Which program reaches which document: by its declaration, by file modes, and by the SELinux module.

use waagent_common::documents::catalogue::{CATALOGUE, Entry, entry};
use waagent_declaration::selinux::{Context, Module, Rule, Shape, is_below, type_of, words};
use waagent_declaration::{Policy, RunsAs};
use waagent_disk::resource::journal::Journal;

use crate::programs::Level;

/// All documents: the shared ones, and those that one crate keeps for itself.
pub fn documents() -> Vec<Entry> {
    let mut all = CATALOGUE.to_vec();
    let disk = all.iter().rposition(|entry| entry.program == "waagent-disk").map_or(all.len(), |at| at + 1);
    all.insert(disk, entry::<Journal>(&["waagent-disk"]));
    all
}

/// What is no document but goes from a program to another all the same: who leaves it, where, and who takes it.
pub const OTHERS: &[Other] = &[
    Other {
        name: "answers of the platform",
        path: "/run/waagent/gate/gate.sock",
        from: "waagent-gate",
        to: &["waagent-fetch"],
    },
    Other {
        name: "orders",
        path: "/run/waagent/transfer/transfer.sock",
        from: "waagent-fetch",
        to: &["waagent-transfer"],
    },
    Other {
        name: "blobs",
        path: "/run/waagent/transfer/transfer.sock",
        from: "waagent-transfer",
        to: &["waagent-fetch"],
    },
    Other {
        name: "ovf-env.xml",
        path: "/run/waagent/media/ovf-env.xml",
        from: "waagent-media",
        to: &["waagent-provision"],
    },
    Other {
        name: "packages (zip)",
        path: "/var/lib/waagent/fetch/packages",
        from: "waagent-fetch",
        to: &["waagent-ext"],
    },
    Other {
        name: "certificate keys",
        path: "/var/lib/waagent/certs/*.prv",
        from: "waagent-certs",
        to: &["waagent-provision", "waagent-ext-run"],
    },
    Other {
        name: "handlers' files",
        path: "/var/lib/waagent/<handler>-<version>",
        from: "waagent-ext",
        to: &["waagent-ext-run"],
    },
    Other {
        name: "handlers' status",
        path: "/var/lib/waagent/<handler>-<version>/status",
        from: "waagent-ext-run",
        to: &["waagent-ext"],
    },
];

/// See [`OTHERS`].
#[derive(Debug, Clone, Copy)]
pub struct Other {
    /// In words.
    pub name: &'static str,
    /// Where.
    pub path: &'static str,
    /// Who leaves it.
    pub from: &'static str,
    /// Who takes it.
    pub to: &'static [&'static str],
}

/// The program that writes a document.
pub fn writer(entry: &Entry) -> &'static str {
    entry.program.split(' ').next().unwrap_or(entry.program)
}

/// What the layers say together of a program and a document.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The SELinux module.
    pub module: &'a Module,
    /// The types of paths.
    pub contexts: &'a [Context],
}

impl Layers<'_> {
    /// Could it read the document, if it wanted to?
    pub fn may_read(&self, policy: &Policy, entry: &Entry) -> bool {
        is_unconfined(policy) || {
            let below = |grants: &[waagent_declaration::Grant]| {
                grants.iter().any(|grant| is_below(entry.path, grant.what))
            };
            (below(policy.reads) || below(policy.writes))
                && modes_let_read(policy, entry)
                && self.selinux(policy, entry.path, READING)
        }
    }

    /// Could it write the document, if it wanted to?
    pub fn may_write(&self, policy: &Policy, entry: &Entry) -> bool {
        is_unconfined(policy)
            || (policy.writes.iter().any(|grant| is_below(entry.path, grant.what))
                && self.selinux(policy, entry.path, WRITING))
    }

    /// Domains that may read files of a type, by the rules written for them.
    pub fn selinux_reads(&self, policy: &Policy, kind: &str) -> bool {
        is_unconfined(policy) || self.domain_has(policy, kind, READING)
    }

    fn selinux(&self, policy: &Policy, path: &str, names: &[&str]) -> bool {
        type_of(self.contexts, path).is_some_and(|kind| self.domain_has(policy, kind, names))
    }

    fn domain_has(&self, policy: &Policy, kind: &str, names: &[&str]) -> bool {
        let Some(section) = self.module.of(policy.program) else { return false };
        section.rules.iter().filter_map(Rule::shape).any(|shape| match shape {
            Shape::Allow { subject, targets, class, permissions } => {
                subject == policy.selinux
                    && class == "file"
                    && covers(&targets, kind)
                    && permissions.iter().any(|permission| names.contains(&permission.as_str()))
            }
            Shape::Call { name, arguments } => {
                names.contains(&name.as_str())
                    && covers(&words(arguments.last().map_or("", String::as_str)), kind)
            }
        })
    }
}

fn is_unconfined(policy: &Policy) -> bool {
    Level::of(policy) == Level::Unconfined
}

/// A type is named, or it is a folder of documents and all these are.
fn covers(targets: &[String], kind: &str) -> bool {
    let document = DOCUMENT_TYPES.contains(&kind);
    targets.iter().any(|target| target == kind || (document && target == "waagent_document_type"))
}

/// Modes: the writer's user, the group that documents have, or who overrides them. A folder of mode 0700 or of another
/// group is its writer's alone.
fn modes_let_read(policy: &Policy, entry: &Entry) -> bool {
    let own = match policy.runs_as {
        RunsAs::User(user) => user == entry.writer,
        RunsAs::Root | RunsAs::Caller => entry.writer == "root",
    };
    let overrides = policy.capabilities.iter().any(|grant| grant.what.starts_with("CAP_DAC_"));
    let group = if entry.path.starts_with("/run/waagent/media") { "waagent-media" } else { "waagent" };
    let member = policy.groups.iter().any(|grant| grant.what == group);
    own || overrides || (member && entry.mode & 0o040 != 0)
}

/// The types that the module gives the attribute `waagent_document_type`.
const DOCUMENT_TYPES: &[&str] = &[
    "waagent_net_var_lib_t",
    "waagent_fetch_var_lib_t",
    "waagent_certs_var_lib_t",
    "waagent_disk_var_lib_t",
    "waagent_provision_var_lib_t",
    "waagent_ext_var_lib_t",
    "waagent_logs_var_lib_t",
];
const READING: &[&str] =
    &["manage_files_pattern", "read_files_pattern", "read_file_perms", "manage_file_perms"];
const WRITING: &[&str] = &["manage_files_pattern", "manage_file_perms"];
