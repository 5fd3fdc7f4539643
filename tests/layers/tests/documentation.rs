//! What the documentation points to is there: files of the sources, and tests by their names.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::collections::BTreeSet;
use std::fs;

use waagent_layers::{none, repository, text, tool};

/// Pages that people read.
fn pages() -> Vec<String> {
    let root = repository();
    let said = tool(&["find", root.join("docs").to_str().unwrap(), "-name", "*.md", "-printf", "docs/%P\\n"]);
    let ours = said.output.lines().filter(|page| !page.starts_with("docs/audit/")).map(str::to_owned);
    ours.chain(["README.md", "SECURITY.md"].map(str::to_owned)).collect()
}

/// What stands between backticks.
fn quoted(page: &str) -> Vec<String> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .map(|words| words.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// A folder at the top of the sources, or a shorthand of the glossary.
fn place_of(words: &str, page: &str) -> Option<String> {
    const SHORT: [(&str, &str); 2] =
        [("documents/", "waagent-common/src/documents/"), ("sandbox/", "waagent-common/src/sandbox/")];
    let is_path = words.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@".contains(c));
    let first = words.split('/').next()?;
    if !is_path || !words.contains('/') {
        return None;
    }
    if page == "docs/glossary.md"
        && let Some((short, long)) = SHORT.iter().find(|(short, _)| words.starts_with(short))
    {
        return words.contains(".rs").then(|| words.replacen(short, long, 1));
    }
    let tops = ["docs", "packaging", "selinux", "systemd", "tests"];
    let is_a_crates = first.starts_with("waagent") && (words.contains("/src") || words.contains("/tests"));
    let is_ours = tops.contains(&first) || is_a_crates;
    is_ours.then(|| words.to_owned())
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let root = repository();
    let mut wrong = Vec::new();
    let mut named = 0;
    for page in pages() {
        for words in quoted(&text(&page)) {
            if let Some(path) = place_of(&words, &page) {
                named += 1;
                if !root.join(&path).exists() {
                    wrong.push(format!("{page}: {words}"));
                }
            }
        }
    }
    none(&wrong);
    assert!(named > 150, "{named}");
}

/// The table of attacks names tests after their file: `file`: `test`, `test`.
#[test]
fn every_test_that_the_table_of_attacks_names_is_there() {
    const PAGE: &str = "docs/threats.md";
    let root = repository();
    let (mut file, mut missing, mut named) = (String::new(), BTreeSet::new(), 0);
    for words in quoted(&text(PAGE)) {
        if let Some(path) = place_of(&words, PAGE) {
            file = fs::read_to_string(root.join(path)).unwrap_or_default();
        } else if words.contains('_')
            && words.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            named += 1;
            if words.matches('_').count() > 2 && !file.contains(&format!("fn {words}(")) {
                missing.insert(words);
            }
        }
    }
    none(&missing.into_iter().collect::<Vec<_>>());
    assert!(named > 80, "{named}");
}

/// All words of the programs' sources: some types are made by macros.
fn words_of_the_code() -> BTreeSet<String> {
    let root = repository();
    let mut all = BTreeSet::new();
    for folder in tool(&["sh", "-c", &format!("ls -d '{0}'/waagent*/src '{0}'/tests/*/src", root.display())])
        .output
        .lines()
    {
        for path in tool(&["find", folder, "-name", "*.rs"]).output.lines() {
            let source = fs::read_to_string(path).unwrap();
            let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            all.extend(words.map(str::to_owned));
        }
    }
    all
}

/// A word such as `GoalState` or `GoalState::etag` is one of the code's.
#[test]
fn every_type_that_the_glossary_names_is_there() {
    let types = words_of_the_code();
    let is_type = |name: &str| {
        let has_lower = name.chars().any(|c| c.is_ascii_lowercase());
        let capitals = name.chars().filter(char::is_ascii_uppercase).count();
        name.chars().all(|c| c.is_ascii_alphanumeric()) && has_lower && capitals > 0
    };
    let mut wrong = Vec::new();
    let mut named = 0;
    for words in quoted(&text("docs/glossary.md")) {
        let Some((name, rest)) = words.split_once("::").or(Some((words.as_str(), ""))) else { continue };
        if is_type(name) && name.starts_with(|c: char| c.is_ascii_uppercase()) && !rest.contains('.') {
            named += 1;
            if !types.contains(name) {
                wrong.push(words);
            }
        }
    }
    none(&wrong);
    assert!(named > 50, "{named}");
}

/// One version: of programs, packages and the SELinux module.
#[test]
fn the_selinux_module_has_the_programs_version() {
    let version = env!("CARGO_PKG_VERSION");
    let module = text("selinux/waagent.te");
    assert!(
        module.starts_with(&format!("policy_module(waagent, {version})\n")),
        "{:?}",
        module.lines().next()
    );
}
