//! The page of a program.

use waagent_declaration::selinux::Section;
use waagent_declaration::{Connects, Grant, Policy, Unit};

use crate::blocks::{Block, Page, heading, table, text};
use crate::exposure::limit;
use crate::index::{difference_row, links, size};
use crate::layers::side_by_side;
use crate::programs::{Level, Program};
use crate::reach::{documents, writer};
use crate::report::Sources;
use crate::tools::domain_of;
use crate::{arguments, check, gate, reasons, words};

/// The page.
pub fn page(program: &Program, sources: &Sources) -> Page {
    let mut blocks = vec![heading(1, program.name)];
    let own = sources.pages.get(program.name).cloned().unwrap_or_default();
    blocks.push(text(&sentence(&own.does)));
    blocks.extend(notice(program));
    blocks.extend([heading(2, "If somebody takes this process over"), text(&sentence(&own.security))]);
    if program.name == "waagent-fetch" {
        blocks.extend([text("Even so, a stolen fetcher can:"), Block::List(sources.stolen.clone())]);
    }
    if program.name == "waagent-gate" {
        blocks.extend(gate::section());
    }
    match program.policy {
        Some(policy) => blocks.extend(confined(program, policy, sources)),
        None => blocks.extend(undeclared(&own.reads, &own.writes)),
    }
    Page { name: program.name.to_owned(), blocks }
}

/// With a capital letter.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// Said plainly where a program is unconfined.
fn notice(program: &Program) -> Option<Block> {
    let text = match program.name {
        "waagent-ext-run" => {
            "**Unconfined, on purpose.** It runs the commands of extensions, and their publishers are promised root \
             without limits: whatever confined this program, they would inherit. So its unit has no line of \
             confinement, it enters no sandbox, and its SELinux domain is the only unconfined one of the agent. What \
             holds instead: only root can write the one document that it reads, [[waagent-ext]] alone decides what is \
             run and may start no unit but this one, and it parses nothing of the network or of a handler. The boolean \
             `waagent_extensions_unconfined`, turned off, puts the commands into the domain `waagent_ext_confined_t`."
        }
        "waagent-supervise" => {
            "**Unconfined, by its nature.** It plays PID 1 on machines without systemd and in `make demo`: it makes \
             accounts and folders, mounts, and starts each program with the rights of its unit, which takes all of \
             root's. No unit starts it, and where systemd runs it has no part."
        }
        "waagent" => {
            "It gains nothing: no set-user-ID bit, no capability, no unit of its own but one that prints."
        }
        _ => return None,
    };
    Some(Block::Notice(text.to_owned()))
}

fn undeclared(reads: &str, writes: &str) -> Vec<Block> {
    vec![
        heading(2, "What it reads and writes"),
        text("It declares no policy, for it is confined by nothing but its caller's rights."),
        table(&["Reads", "Writes"], vec![vec![reads.to_owned(), writes.to_owned()]]),
    ]
}

fn confined(program: &Program, policy: &Policy, sources: &Sources) -> Vec<Block> {
    let units = sources.units_of(program.name);
    let mut blocks = vec![
        heading(2, "All layers side by side"),
        side_by_side(policy, &units, &sources.module, &sources.contexts),
    ];
    blocks.extend(declared_differences(policy, &units, sources));
    blocks.extend(document_tables(policy, sources));
    blocks.extend(grants(policy, sources));
    blocks.extend(unit_section(&units, sources));
    blocks.extend(selinux(program, policy, sources));
    blocks.extend([heading(2, "How to check it on a machine"), Block::Code(check::commands(policy, &units))]);
    blocks
}

fn declared_differences(policy: &Policy, units: &[&Unit], sources: &Sources) -> Vec<Block> {
    let mut subjects: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    subjects.push(policy.selinux);
    let rows: Vec<Vec<String>> = sources.tables.of(&subjects).map(difference_row).collect();
    if rows.is_empty() {
        return vec![text("No layer differs from the declaration.")];
    }
    vec![
        text("Differences that must be, and where a unit is looser than the others:"),
        table(&["Unit or domain", "What", "Difference", "Why"], rows),
    ]
}

fn document_tables(policy: &Policy, sources: &Sources) -> Vec<Block> {
    let mut rows = Vec::new();
    for entry in documents() {
        let role = if writer(&entry) == policy.program {
            "**writes**"
        } else if entry.readers.contains(&policy.program) {
            "reads"
        } else if sources.layers().may_read(policy, &entry) {
            "could read"
        } else {
            continue;
        };
        let others =
            if role == "**writes**" { links(entry.readers) } else { format!("[[{}]]", writer(&entry)) };
        rows.push(vec![role.to_owned(), format!("`{}`", entry.path), others, size(entry.max_bytes)]);
    }
    rows.sort_by_key(|row| match row.first().map(String::as_str) {
        Some("**writes**") => 0,
        Some("reads") => 1,
        _ => 2,
    });
    vec![
        heading(2, "Documents"),
        if rows.is_empty() {
            text("None.")
        } else {
            table(&["", "Document", "Readers, or writer", "At most"], rows)
        },
    ]
}

/// Every grant of the declaration with its reason.
fn grants(policy: &Policy, sources: &Sources) -> Vec<Block> {
    let mut blocks = vec![heading(2, "Every grant, and the step that needs it")];
    let connects: Vec<(String, &str)> = match policy.connects {
        Connects::Nowhere => Vec::new(),
        Connects::Ports(ports) => ports.iter().map(|(port, why)| (format!("TCP {port}"), *why)).collect(),
        Connects::Anywhere(why) => vec![("TCP, any port".to_owned(), why)],
    };
    let kinds: [(&str, &[Grant]); 5] = [
        ("Groups", policy.groups),
        ("Capabilities", policy.capabilities),
        ("Sockets", policy.families),
        ("Reads", policy.reads),
        ("Writes", policy.writes),
    ];
    let mut rows = Vec::new();
    for (kind, grants) in kinds {
        rows.extend(grants.iter().map(|grant| row(kind, grant.what, grant.why)));
        if kind == "Sockets" {
            rows.extend(connects.iter().map(|(what, why)| row("Connections", what, why)));
        }
    }
    rows.extend(policy.devices.iter().map(|device| {
        row("Devices", device.what, &format!("{}; {}", device.why, arguments::of_device(device)))
    }));
    rows.extend(policy.maps_code.iter().map(|why| row("Code", "PROT_EXEC", why)));
    rows.extend(policy.arguments.iter().map(|it| row("Arguments", it.what, it.why)));
    rows.extend(policy.ioctls.iter().map(|ioctl| row("ioctl", ioctl.what, ioctl.why)));
    blocks.push(table(&["Kind", "What", "Step: why"], rows));
    blocks.extend(shared(policy));
    blocks.extend(executes(policy, sources));
    blocks.extend(calls(policy));
    blocks
}

/// What the program has besides its declaration: nothing where nothing confines it.
fn shared(policy: &Policy) -> Vec<Block> {
    let shared = policy.shared();
    let kinds = [
        ("Reads, before the sandbox", &shared.read_before),
        ("Reads", &shared.reads),
        ("Executes", &shared.executes),
        ("Not narrowed", &shared.wide),
    ];
    let rows: Vec<_> = kinds
        .iter()
        .flat_map(|(kind, grants)| grants.iter().map(|grant| row(kind, grant.what, grant.why)))
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    vec![
        heading(3, "Besides"),
        text(
            "What every confined program has, or every one that declares something of the kind. It appends to the log \
             that PID 1 opened for it.",
        ),
        table(&["Kind", "What", "Why"], rows),
    ]
}

fn row(kind: &str, what: &str, why: &str) -> Vec<String> {
    vec![kind.to_owned(), format!("`{what}`"), why.to_owned()]
}

/// Executed tools, and under whose policy they run.
fn executes(policy: &Policy, sources: &Sources) -> Vec<Block> {
    if policy.executes.is_empty() {
        return vec![text("It executes nothing.")];
    }
    let row = |grant: &Grant| {
        vec![
            format!("`{}`", grant.what),
            grant.why.to_owned(),
            domain_of(grant.what, policy, &sources.module).to_owned(),
        ]
    };
    let mut blocks = vec![
        heading(3, "Executed tools"),
        table(&["Tool", "Step: why", "SELinux"], policy.executes.iter().map(row).collect()),
    ];
    if Level::of(policy) != Level::Unconfined {
        blocks.push(text(
            "A tool that runs in the distribution's domain is under the distribution's SELinux policy, by transition in \
             spite of no_new_privs; it inherits this program's user, capabilities, Landlock rules and system call filter.",
        ));
    }
    blocks
}

fn calls(policy: &Policy) -> Vec<Block> {
    if policy.syscalls.is_empty() {
        return vec![heading(3, "System calls"), text("No filter.")];
    }
    let mut blocks = vec![
        heading(3, "System calls"),
        text(
            "A call that isn't listed ends the program with exit status 77, and its name on standard error.",
        ),
    ];
    let rules: Vec<String> = policy.rules().iter().map(arguments::of_rule).collect();
    blocks.push(text("Of these calls some arguments alone:"));
    blocks.push(Block::List(rules));
    for group in policy.syscalls {
        let (name, why) = if group.what == "calls" {
            (group.calls.iter().map(|call| format!("`{call}`")).collect::<Vec<_>>().join(", "), group.why)
        } else {
            (format!("Group **{}** ({} calls)", group.what, group.calls.len()), group.why)
        };
        let summary = format!("{name}: {why}");
        if group.what == "calls" {
            blocks.push(Block::List(vec![summary]));
        } else {
            blocks.push(Block::Details(summary, vec![Block::Code(wrapped(group.calls))]));
        }
    }
    blocks
}

/// Names in lines of at most 100 letters.
fn wrapped(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        let full = lines.last().is_some_and(|line| line.len() + name.len() > 99);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(name);
        }
    }
    lines.join("\n")
}

/// Unit and score of each unit of a program.
pub fn exposure_of(program: &str, sources: &Sources) -> Vec<(String, String)> {
    let score = |unit: &&Unit| match limit(&unit.name) {
        None => "exempt".to_owned(),
        Some(_) => {
            sources.exposure.scores.get(&unit.name).cloned().unwrap_or_else(|| "not measured".to_owned())
        }
    };
    sources.units_of(program).iter().map(|unit| (unit.name.clone(), score(unit))).collect()
}

fn unit_section(units: &[&Unit], sources: &Sources) -> Vec<Block> {
    let mut blocks = vec![heading(2, "Units")];
    for unit in units {
        let score = sources.exposure.scores.get(&unit.name).map_or("not measured", String::as_str);
        let summary = match limit(&unit.name) {
            None => format!("`{}`: exempt from the score, see above", unit.name),
            Some(limit) => {
                let systemd = &sources.exposure.systemd;
                format!("`{}`: exposure {score} (systemd {systemd}), at most {limit}", unit.name)
            }
        };
        let rows = unit.confinement();
        let rows = rows
            .into_iter()
            .map(|(key, value, why)| row(key, if value.is_empty() { " " } else { value }, why));
        let rows: Vec<Vec<String>> = rows.collect();
        if rows.is_empty() {
            blocks.push(text(&summary));
        } else {
            blocks.push(Block::Details(summary, vec![table(&["Key", "Value", "Why looser"], rows)]));
        }
    }
    blocks
}

fn selinux(program: &Program, policy: &Policy, sources: &Sources) -> Vec<Block> {
    let mut blocks = vec![
        heading(2, "SELinux rules"),
        text(&format!(
            "The domain `{0}` is entered by `/usr/libexec/waagent/{1}` (type `{2}_exec_t`) when PID 1 executes it. These \
             are its own rules; those that all domains share are in the overview.",
            policy.selinux,
            program.name,
            policy.selinux.trim_end_matches("_t")
        )),
    ];
    if let Some(section) = sources.module.of(program.name) {
        blocks.push(rules_table(section, Some(policy), sources));
    }
    if sources.ports.contains(&format!("(allow {} ", policy.selinux)) {
        blocks.push(text("And in `waagent-ports.cil`, since a module can't name a port:"));
        blocks.push(Block::Code(sources.ports.clone()));
    }
    if program.name == "waagent-ext-run"
        && let Some(section) = sources.module.section("Commands of extensions, confined")
    {
        blocks.push(text(
            "Commands of extensions, where the administrator turned `waagent_extensions_unconfined` off:",
        ));
        blocks.push(rules_table(section, None, sources));
    }
    blocks
}

/// Rules in words, their reasons, and as they are written.
pub fn rules_table(section: &Section, policy: Option<&Policy>, sources: &Sources) -> Block {
    let mut rows = Vec::new();
    let mut last = "";
    for rule in &section.rules {
        let said = words::of(rule, &sources.contexts);
        let why = if rule.why.is_empty() {
            policy.and_then(|policy| reasons::of(rule, &said, policy, &sources.contexts)).unwrap_or_default()
        } else if rule.why == last {
            "the same".to_owned()
        } else {
            rule.why.clone()
        };
        last = &rule.why;
        rows.push(vec![said, why, format!("`{}`", rule.text)]);
    }
    table(&["May", "Why", "As written"], rows)
}
