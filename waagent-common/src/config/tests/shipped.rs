use super::*;

const SHIPPED: &str = include_str!("../../../../config/waagent.conf");

#[test]
fn the_shipped_file_is_read_without_a_remark() {
    let config = load(SHIPPED);
    assert_eq!(texts(&config), "");
    assert!(config.switch(SwitchKey::OsEnableFirewall));
}

#[test]
fn the_shipped_file_says_what_the_table_says() {
    let (shipped, bare) = (load(SHIPPED), load("Some.Key=1\n"));
    assert_eq!(shipped.show(), bare.show());
}

#[test]
fn each_key_with_an_effect_is_in_the_shipped_file_set_or_in_a_comment_with_its_default() {
    let uncommented: String = SHIPPED
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key_line(rest)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = load(&uncommented);
    assert_eq!(config.show(), load("Some.Key=1\n").show());
    for key in Key::all() {
        let row = key.row();
        let is_hidden = row.name.starts_with("Debug.") || !row.is_listed() || row.ignored().is_some();
        let is_fixed = matches!(row.kind, Kind::Text { form: super::super::table::Form::Fixed, .. });
        if !is_hidden && !is_fixed {
            assert_ne!(config.origin(key), "default", "{} is missing in the shipped file", row.name);
        }
    }
}

/// Scripts edit the file by `sed` and the old extensions' parser knows no spaces.
#[test]
fn the_shipped_file_has_the_form_that_sed_scripts_expect() {
    for line in SHIPPED.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        assert!(is_key_line(line), "'{line}'");
    }
    for expected in
        ["ResourceDisk.Format=n", "ResourceDisk.EnableSwap=n", "# AutoUpdate.UpdateToLatestVersion=y"]
    {
        assert!(SHIPPED.lines().any(|line| line == expected), "{expected}");
    }
}

#[test]
fn names_are_unique_and_each_row_says_what_it_is() {
    let mut names: Vec<&str> = Key::all().map(|key| key.row().name).collect();
    names.extend(REMOVED.iter().map(|(name, _)| *name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for key in Key::all() {
        let row = key.row();
        assert!(!row.meaning.is_empty(), "{}", row.name);
        assert_eq!(Key::named(row.name), Some(key));
        let is_used = matches!(row.status, Status::Used | Status::Ours);
        assert!(!is_used || !row.owners.is_empty(), "{} has an effect and no owner", row.name);
    }
}

fn is_key_line(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| {
        key.starts_with(|first: char| first.is_ascii_uppercase())
            && !key.contains(' ')
            && value.trim() == value
            && !value.is_empty()
    })
}
