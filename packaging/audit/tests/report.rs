//! The report as a whole, made from this repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use waagent_audit::exposure::{Exposure, limit};
use waagent_audit::programs::{Level, PROGRAMS};
use waagent_audit::reach::{documents, writer};
use waagent_audit::report::{Sources, make, write};
use waagent_audit::words::translate;
use waagent_declaration::{Grant, grant};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&first, &second] {
        write(&make(&repository()).unwrap(), folder.path()).unwrap();
    }
    let names: Vec<_> = fs::read_dir(first.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(names.len() > PROGRAMS.len());
    for name in names {
        let bytes = |folder: &tempfile::TempDir| fs::read(folder.path().join(&name)).unwrap();
        assert_eq!(bytes(&first), bytes(&second), "{}", name.display());
    }
}

#[test]
fn the_committed_report_is_that_of_the_sources() {
    let folder = repository().join("docs/audit");
    let made = make(&repository()).unwrap();
    let stale: Vec<&String> = made
        .iter()
        .filter(|(name, text)| fs::read_to_string(folder.join(name)).ok().as_ref() != Some(*text))
        .map(|(name, _)| name)
        .collect();
    assert!(stale.is_empty(), "run 'make audit' and commit docs/audit; not up to date: {stale:?}");
    let kept: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(kept, made.into_keys().collect(), "docs/audit has a file too many");
}

#[test]
fn every_selinux_rule_has_words() {
    let sources = Sources::read(&repository()).unwrap();
    let shown = |title: &str| {
        title.ends_with("local policy") || title.starts_with("What all") || title.starts_with("Commands")
    };
    let missing: BTreeSet<String> = sources
        .module
        .sections
        .iter()
        .filter(|section| shown(&section.title))
        .flat_map(|section| &section.rules)
        .filter_map(|rule| translate(rule, &sources.contexts).err().map(|error| error.to_string()))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_selinux_rule_has_a_reason() {
    let made = make(&repository()).unwrap();
    for policy in PROGRAMS.iter().filter_map(|program| program.policy) {
        let page = &made[&format!("{}.md", policy.program)];
        let rules = page.lines().skip_while(|line| *line != "## SELinux rules");
        // The rules of the confined commands are explained by their banner.
        for rule in rules.take_while(|line| !line.starts_with("Commands of extensions, where")) {
            assert!(!rule.contains(" |  | "), "no comment above it, no grant that it carries out: {rule}");
        }
    }
}

#[test]
fn every_grant_is_on_its_page_with_its_reason() {
    let made = make(&repository()).unwrap();
    for policy in PROGRAMS.iter().filter_map(|program| program.policy) {
        let page = &made[&format!("{}.md", policy.program)];
        let devices: Vec<Grant> =
            policy.devices.iter().map(|device| grant(device.what, device.why)).collect();
        let lists = [
            policy.groups,
            policy.capabilities,
            policy.families,
            policy.reads,
            policy.writes,
            &devices,
            policy.executes,
        ];
        for grant in lists.into_iter().flatten() {
            let row = page.lines().find(|line| line.contains(&format!("| `{}` | ", grant.what)));
            let row = row.unwrap_or_else(|| panic!("{}: {} isn't there", policy.program, grant.what));
            assert!(page.contains(grant.why), "{}: {row}", policy.program);
        }
        for call in policy.syscalls.iter().flat_map(|group| group.calls) {
            assert!(page.contains(call), "{}: {call}", policy.program);
        }
    }
}

#[test]
fn a_document_is_written_by_one_confined_program_alone() {
    let sources = Sources::read(&repository()).unwrap();
    for entry in documents() {
        let writers: Vec<&str> = PROGRAMS
            .iter()
            .filter_map(|program| program.policy)
            .filter(|policy| Level::of(policy) != Level::Unconfined)
            .filter(|policy| sources.layers().may_write(policy, &entry))
            .map(|policy| policy.program)
            .collect();
        // The runner's results are removed by the planner when it has read them.
        let expected = if entry.name == "command-result" { "waagent-ext" } else { writer(&entry) };
        assert_eq!(writers, [expected], "{}", entry.path);
    }
}

#[test]
fn every_reader_of_a_document_may_read_it() {
    let sources = Sources::read(&repository()).unwrap();
    for entry in documents() {
        for reader in entry.readers {
            let program = PROGRAMS.iter().find(|program| program.name == *reader).unwrap();
            let Some(policy) = program.policy else { continue };
            assert!(sources.layers().may_read(policy, &entry), "{reader}: {}", entry.path);
        }
    }
}

#[test]
fn keys_are_read_by_whom_the_report_names() {
    let sources = Sources::read(&repository()).unwrap();
    let readers = |kind: &str| -> Vec<&str> {
        let policies = PROGRAMS.iter().filter_map(|program| program.policy);
        policies.filter(|policy| sources.layers().selinux_reads(policy, kind)).map(|p| p.program).collect()
    };
    assert_eq!(readers("waagent_transport_key_t"), ["waagent-certs", "waagent-ext-run"]);
    assert_eq!(readers("waagent_key_t"), ["waagent-certs", "waagent-provision", "waagent-ext-run"]);
}

#[test]
fn the_unconfined_say_so_in_their_first_lines() {
    let made = make(&repository()).unwrap();
    for program in ["waagent-ext-run", "waagent-supervise"] {
        let page = &made[&format!("{program}.md")];
        assert!(page.lines().take(6).any(|line| line.starts_with("> **Unconfined")), "{program}");
    }
    assert!(!made["waagent-fetch.md"].contains("**Unconfined"));
}

#[test]
fn what_a_stolen_fetcher_can_still_do_is_named() {
    let made = make(&repository()).unwrap();
    for page in ["README.md", "waagent-fetch.md"] {
        for act in ["replay", "public settings", "removal"] {
            let points = made[page].lines().filter(|line| line.starts_with("- ") && line.contains(act));
            assert!(points.count() > 0, "{page} doesn't name '{act}'");
        }
    }
}

#[test]
fn the_html_page_needs_nothing_else() {
    let made = make(&repository()).unwrap();
    let page = &made["audit.html"];
    for foreign in ["src=", "<link", "@import", "url(", "<script"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for program in PROGRAMS {
        assert!(page.contains(&format!("<section id=\"{}\">", program.name)), "{}", program.name);
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("<svg "));
}

#[test]
fn no_unit_is_over_its_limit_and_the_stored_scores_are_measured_ones() {
    let stored = Exposure::parse(&fs::read_to_string(repository().join("packaging/audit/exposure")).unwrap());
    for (unit, score) in &stored.scores {
        let limit = limit(unit).map_or(10.0, |limit| limit.parse::<f64>().unwrap());
        assert!(score.parse::<f64>().unwrap() <= limit, "{unit}: {score} is over {limit}");
    }
    let output = Command::new(repository().join("packaging/audit/measure")).output().unwrap();
    let measured = Exposure::parse(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() || measured.systemd != stored.systemd {
        let why = format!("scores are of systemd {}, here is '{}'", stored.systemd, measured.systemd);
        return waagent_untested::not_tested(&why);
    }
    assert_eq!(measured, stored, "run 'packaging/audit/measure > packaging/audit/exposure' and 'make audit'");
}
