//! waagent.conf(5), of the table of keys that the programs read the file with.

use std::fmt::Write;

use waagent_common::config::{Form, Key, Kind, REMOVED, Row};

use crate::{SEE_ALSO, roff};

/// The page.
pub fn page() -> String {
    let version = waagent_common::AGENT_VERSION;
    let mut page = format!(".TH waagent.conf 5 \"\" \"waagent {version}\" \"Azure Linux agent\"\n");
    page.push_str(INTRODUCTION);
    let mut rows: Vec<&Row> = Key::all().map(Key::row).collect();
    rows.sort_by_key(|row| row.name);
    let (with_effect, without): (Vec<&Row>, Vec<&Row>) =
        rows.into_iter().partition(|row| row.ignored().is_none());
    page.push_str(".SH KEYS\n");
    for row in with_effect {
        let text = format!("{}. {}. {}", sentence(row.meaning), value(row.kind), used_by(row));
        entry(&mut page, row.name, text.trim_end());
    }
    page.push_str(".SH KEYS WITHOUT EFFECT\nAccepted, so that a file of the Python agent does; each is named in the log.\n");
    let removed = REMOVED.iter().map(|(name, why)| (*name, *why));
    for (name, why) in without.iter().filter_map(|row| Some((row.name, row.ignored()?))).chain(removed) {
        entry(&mut page, name, &format!("{}.", sentence(why)));
    }
    page.push_str(SEE_ALSO);
    page
}

fn entry(page: &mut String, name: &str, text: &str) {
    // Writing into a string can't fail.
    let _infallible = writeln!(page, ".TP\n.B {}\n{}", roff(name), roff(text));
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// What a key takes, and what holds where nothing is said.
fn value(kind: Kind) -> String {
    let word = |on| if on { "y" } else { "n" };
    match kind {
        Kind::Switch { default, closed } => {
            let unreadable = closed.filter(|closed| *closed != default).map_or_else(String::new, |closed| {
                format!("; a value that can't be read is taken for {}", word(closed))
            });
            format!("y or n, default {}{unreadable}", word(default))
        }
        Kind::Integer { default, least, most } => format!("{least} to {most}, default {default}"),
        Kind::OptionalInteger { default: Some(default), least, most } => {
            format!("{least} to {most} or None, default {default}")
        }
        Kind::OptionalInteger { default: None, least, most } => {
            format!("{least} to {most}, by default not set")
        }
        Kind::Text { default, form: Form::Fixed } => {
            format!("Always {default}: anything else stops the agent")
        }
        Kind::Text { default: "", form } => format!("{}, by default empty", accepted(form)),
        Kind::Text { default, form } => format!("{}, default {default}", accepted(form)),
        Kind::OptionalText { form } => format!("{}, by default not set", accepted(form)),
    }
}

fn accepted(form: Form) -> String {
    match form {
        Form::Any | Form::Fixed => "A string".to_owned(),
        Form::Path => "An absolute path".to_owned(),
        Form::Word(words, _) | Form::Known(words) => format!("One of {}", words.join(", ")),
        Form::KeyType => "A type of host key".to_owned(),
        Form::Proxy => "host, host:port or http://host:port".to_owned(),
        Form::Addresses => "IPv4 addresses, separated by commas".to_owned(),
    }
}

fn used_by(row: &Row) -> String {
    match row.owners {
        "" => String::new(),
        "all" => "Used by every program.".to_owned(),
        owners => {
            let programs: Vec<String> = owners.split(' ').map(|owner| format!("waagent-{owner}")).collect();
            format!("Used by {}.", programs.join(", "))
        }
    }
}

const INTRODUCTION: &str = r".SH NAME
waagent.conf \- configuration of the Azure Linux agent
.SH SYNOPSIS
/etc/waagent.conf
.br
/etc/waagent.conf.d/*.conf
.SH DESCRIPTION
A line is
.IR key = value ;
what follows a # is a comment. Files are read in this order, and the last line of a key holds: /etc/waagent.conf (where
it is missing or holds no key, /usr/lib/waagent/waagent.conf, or else the defaults below), then
/etc/waagent.conf.d/*.conf in the order of their names.
.PP
A key that isn't known and a value that can't be used are warnings in the log, which name file and line; the default
holds, or for a switch that guards the machine its closed side. Two things stop a program, with status 78: a file that
can't be read, and a path that the sandbox and the labels have fixed.
.PP
.B waagent \-show\-configuration
prints what holds.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_once_with_its_default() {
        let text = page().replace("\\-", "-");
        for row in Key::all().map(Key::row) {
            assert_eq!(text.matches(&format!("\n.B {}\n", row.name)).count(), 1, "{}", row.name);
        }
        let line = "Only uid 0 may connect to the platform's server. y or n, default y. Used by waagent-net.";
        assert!(text.contains(&format!("\n.B OS.EnableFirewall\n{line}\n")));
    }
}
