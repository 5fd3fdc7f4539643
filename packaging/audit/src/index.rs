//! The overview: the picture, a line for each program, what all share, the declared differences.

use waagent_declaration::{Connects, Difference, Policy};

use crate::blocks::{Block, Page, heading, table, text};
use crate::html::INDEX;
use crate::page::{exposure_of, rules_table};
use crate::programs::{Level, PROGRAMS, Program, user};
use crate::reach::{documents, writer};
use crate::report::Sources;

/// The page that begins the report.
pub fn page(sources: &Sources, picture: &str) -> Page {
    let mut blocks = vec![
        heading(1, "What each program may do"),
        text(
            "Each program of the agent declares what it may do, and why, in `src/policy.rs`. It enters that declaration \
             before it looks at a byte of input: capabilities, Landlock, seccomp. Its unit and its SELinux domain say the \
             same, and tests hold all of them against each other. This report is made from the same sources by \
             `make audit`; on a machine, `waagent audit` compares what is in force with the declaration.",
        ),
        heading(2, "Who can reach what"),
        Block::Picture(picture.to_owned()),
        heading(2, "Programs"),
        overview(sources),
        text(&format!(
            "Exposure is the score of `systemd-analyze security` (0 best, 10 worst), as systemd {} measures it. It counts lines: \
             those for clock, modules and log of the kernel are left out where the filter of calls, the bounding set and the \
             closed devices say the same, and the kernel's switches are closed by a read-only /sys for users who own \
             nothing there; a test holds each unit to that.",
            sources.exposure.systemd
        )),
    ];
    blocks.extend(stolen(sources));
    blocks.extend([heading(2, "Documents"), document_table(sources)]);
    blocks.extend(differences(sources));
    blocks.extend(shared_rules(sources));
    blocks.extend(check_it());
    Page { name: INDEX.to_owned(), blocks }
}

fn overview(sources: &Sources) -> Block {
    let rows = PROGRAMS.iter().map(|program| overview_row(program, sources)).collect();
    table(
        &["Program", "Privilege", "Runs as", "Capabilities", "Network", "Writes", "Executes", "Exposure"],
        rows,
    )
}

fn overview_row(program: &Program, sources: &Sources) -> Vec<String> {
    let link = format!("[[{}]]", program.name);
    let Some(policy) = program.policy else {
        let (privilege, runs_as) = match program.name {
            "waagent" => ("what its caller has", "its caller"),
            _ => ("**unconfined**, only where systemd isn't", "root"),
        };
        let rest = ["-", "-", "-", "-", "-"].map(str::to_owned);
        return [link, privilege.to_owned(), runs_as.to_owned()].into_iter().chain(rest).collect();
    };
    let level = Level::of(policy);
    let words = if level == Level::Unconfined { "**unconfined**" } else { level.words() };
    let writes =
        policy.writes.iter().filter(|grant| !grant.what.starts_with("/run/waagent")).map(|grant| grant.what);
    vec![
        link,
        words.to_owned(),
        format!("`{}`", user(policy)),
        list(policy.capabilities.iter().map(|grant| grant.what)),
        network(policy),
        list(writes),
        list(policy.executes.iter().map(|grant| grant.what.rsplit('/').next().unwrap_or(grant.what))),
        exposure_of(program.name, sources).into_iter().map(|(_, score)| score).max().unwrap_or_default(),
    ]
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

fn network(policy: &Policy) -> String {
    match policy.connects {
        Connects::Ports(ports) => {
            let ports: Vec<String> = ports.iter().map(|(port, _)| port.to_string()).collect();
            format!("TCP {} of the platform", ports.join(", "))
        }
        Connects::Anywhere(_) if Level::of(policy) == Level::Unconfined => "any".to_owned(),
        Connects::Anywhere(_) => "TCP to storage and proxies; the platform by the gate".to_owned(),
        Connects::Nowhere if policy.families.iter().any(|grant| grant.what == "AF_NETLINK") => {
            "netlink alone".to_owned()
        }
        Connects::Nowhere => "none".to_owned(),
    }
}

fn stolen(sources: &Sources) -> Vec<Block> {
    let mut blocks = vec![
        heading(2, "What a stolen fetcher can still do"),
        text(
            "[[waagent-fetch]] is the program that parses XML and HTTP from the network. In the default configuration no \
             signature is demanded of packages: whoever owns it is root by a forged one. In any configuration he can \
             ask the platform for this VM's certificates with a certificate of his own, and so hold their keys. The process \
             itself has no capability, no key in reach, and writes one folder. Where the policy file asks for signed \
             extensions, [[waagent-ext]] verifies each package itself: what runs is what a publisher signed. He can \
             then still:",
        ),
    ];
    blocks.push(Block::List(sources.stolen.clone()));
    blocks
}

fn document_table(sources: &Sources) -> Block {
    let rows = documents()
        .iter()
        .map(|entry| {
            let mut readers: Vec<&str> = entry.readers.to_vec();
            readers.retain(|reader| *reader != writer(entry));
            let could: Vec<&str> = PROGRAMS
                .iter()
                .filter_map(|program| program.policy)
                .filter(|policy| policy.program != writer(entry) && !readers.contains(&policy.program))
                .filter(|policy| sources.layers().may_read(policy, entry))
                .map(|policy| policy.program)
                .collect();
            vec![
                format!("`{}`", entry.path),
                format!("`waagent/{}/{}`", entry.name, entry.major),
                format!("[[{}]]", writer(entry)),
                links(&readers),
                links(&could),
                format!("{:04o}", entry.mode),
                size(entry.max_bytes),
            ]
        })
        .collect();
    table(&["Document", "Schema", "Written by", "Read by", "Could be read by", "Mode", "At most"], rows)
}

/// Names of programs as links.
pub fn links(names: &[&str]) -> String {
    if names.is_empty() {
        return "-".to_owned();
    }
    names.iter().map(|name| format!("[[{name}]]")).collect::<Vec<_>>().join(", ")
}

/// Bytes in words; all bounds are whole KiB or MiB.
pub fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

fn differences(sources: &Sources) -> Vec<Block> {
    let rows = |all: &[Difference]| all.iter().map(difference_row).collect();
    vec![
        heading(2, "Where layers differ, and why"),
        text(
            "The tests compare every unit and every domain with the declaration, both ways. What differs is in this \
             table or a test fails; a line that isn't needed any more fails too. `+`: granted beyond the declaration; \
             `-`: declared, and not granted.",
        ),
        table(&["Unit or domain", "What", "Difference", "Why"], rows(&sources.tables.differences)),
        text("Units that are looser than the line which every confined unit has:"),
        table(&["Unit", "What", "It has instead", "Why"], rows(&sources.tables.relaxations)),
    ]
}

/// A difference as a row.
pub fn difference_row(row: &Difference) -> Vec<String> {
    vec![format!("`{}`", row.subject), row.key.clone(), format!("`{}`", row.what), row.why.clone()]
}

fn shared_rules(sources: &Sources) -> Vec<Block> {
    let mut blocks = vec![
        heading(2, "SELinux rules that all domains share"),
        text("Written once for the attribute `waagent_domain`; each program's own rules are on its page."),
    ];
    if let Some(section) = sources.module.section("What all domains of the agent share") {
        blocks.push(rules_table(section, None, sources));
    }
    blocks
}

fn check_it() -> Vec<Block> {
    vec![
        heading(2, "How to check it on a machine"),
        text("Everything at once; exit status 1 and a line for each difference:"),
        Block::Code("sudo waagent audit\nsudo waagent audit --json".to_owned()),
        text("By hand, without a program of the agent's:"),
        Block::Code(BY_HAND.to_owned()),
    ]
}

const BY_HAND: &str = "\
# who runs, as whom, in which domain
ps -eo label,user,pid,args | grep '[/]usr/libexec/waagent/'
# what systemd grants
systemd-analyze security 'waagent-*'
# who may read the keys, by SELinux (package setools-console)
sesearch -A -t waagent_transport_key_t -c file -p read
sesearch -A -t waagent_key_t -c file -p read
# labels of all that is the agent's: prints what differs
restorecon -nRv /usr/libexec/waagent /var/lib/waagent /run/waagent /var/log/waagent.log /etc/waagent.conf
# denials with a type of the agent's: none
ausearch -m avc,user_avc,selinux_err -ts boot | grep waagent_
# the installed files
(cd / && sha256sum --check --quiet /usr/lib/waagent/manifest.sha256)";
