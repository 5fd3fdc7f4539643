//! Makes the man pages: `waagent-man FOLDER` writes `man8/<program>.8` for each program, `man8/waagent.8`, and
//! `man5/waagent.conf.5`.
//!
//! A page is what the program itself says: its arguments, and the first lines of its `main.rs`. Nothing is written
//! twice.
#![forbid(unsafe_code)]

mod configuration;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};

/// A program: its arguments, and the source whose first lines are its page.
type Page = (&'static str, fn() -> Command, &'static str);

const PAGES: &[Page] = &[
    ("waagent-certs", waagent_certs::args::Args::command, include_str!("../../../waagent-certs/src/main.rs")),
    ("waagent-gate", waagent_gate::args::Args::command, include_str!("../../../waagent-gate/src/main.rs")),
    ("waagent-disk", waagent_disk::args::Args::command, include_str!("../../../waagent-disk/src/main.rs")),
    ("waagent-ext", waagent_ext::args::Args::command, include_str!("../../../waagent-ext/src/main.rs")),
    (
        "waagent-ext-run",
        waagent_ext_run::args::Args::command,
        include_str!("../../../waagent-ext-run/src/main.rs"),
    ),
    ("waagent-fetch", waagent_fetch::args::Args::command, include_str!("../../../waagent-fetch/src/main.rs")),
    ("waagent-media", waagent_media::args::Args::command, include_str!("../../../waagent-media/src/main.rs")),
    ("waagent-net", waagent_net::args::Args::command, include_str!("../../../waagent-net/src/main.rs")),
    (
        "waagent-provision",
        waagent_provision::args::Args::command,
        include_str!("../../../waagent-provision/src/main.rs"),
    ),
    (
        "waagent-supervise",
        waagent_supervise::args::Args::command,
        include_str!("../../../waagent-supervise/src/main.rs"),
    ),
    (
        "waagent-transfer",
        waagent_transfer::args::Args::command,
        include_str!("../../../waagent-transfer/src/main.rs"),
    ),
];

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: waagent-man FOLDER")?;
    let folder = Path::new(&folder);
    let (commands, files) = (folder.join("man8"), folder.join("man5"));
    fs::create_dir_all(&commands)?;
    fs::create_dir_all(&files)?;
    for (name, arguments, source) in PAGES {
        fs::write(commands.join(format!("{name}.8")), page(name, arguments(), source)?)?;
    }
    fs::write(commands.join("waagent.8"), front_page())?;
    fs::write(files.join("waagent.conf.5"), configuration::page())?;
    Ok(())
}

/// One program's page.
fn page(name: &'static str, command: Command, source: &str) -> Result<Vec<u8>> {
    let man = clap_mangen::Man::new(command.name(name))
        .section("8")
        .source(format!("waagent {}", waagent_common::AGENT_VERSION))
        .manual("Azure Linux agent");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    page.extend_from_slice(sections(source).as_bytes());
    man.render_options_section(&mut page)?;
    page.extend_from_slice(SEE_ALSO.as_bytes());
    Ok(page)
}

/// The paragraphs of the program's docstring; those that begin with `**Does**:`, `**Reads**:` ... become sections.
fn sections(source: &str) -> String {
    let doc: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut text = String::new();
    // Where in the sources a thing is done, the last paragraph, is for who reads those.
    for line in doc.into_iter().skip(1).take_while(|line| !line.starts_with("**Where**")) {
        let plain = line.replace("**", "").replace('`', "");
        let heading =
            HEADINGS.iter().find_map(|name| Some((*name, plain.strip_prefix(name)?.strip_prefix(':')?)));
        let line = match heading {
            Some((name, rest)) => {
                // Writing into a string can't fail.
                let _infallible = writeln!(text, ".SH {}", name.to_uppercase());
                rest.trim().to_owned()
            }
            None if plain.is_empty() => ".PP".to_owned(),
            None => plain,
        };
        text.push_str(&roff(&line));
        text.push('\n');
    }
    text
}

/// A line that roff prints as it is.
fn roff(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-");
    if line != ".PP" && (escaped.starts_with('.') || escaped.starts_with('\'')) {
        format!("\\&{escaped}")
    } else {
        escaped
    }
}

/// The page of the command that people know.
fn front_page() -> String {
    let version = waagent_common::AGENT_VERSION;
    let mut page = format!(".TH waagent 8 \"\" \"waagent {version}\" \"Azure Linux agent\"\n.SH NAME\n");
    page.push_str("waagent \\- the Azure Linux agent\n.SH DESCRIPTION\n.nf\n");
    for line in waagent::front::help_text().lines().skip(2) {
        page.push_str(&roff(line));
        page.push('\n');
    }
    page.push_str(".fi\n");
    page.push_str(SEE_ALSO);
    page
}

/// What a program's docstring tells under its own heading.
const HEADINGS: &[&str] = &["Does", "Reads", "Writes", "Exit codes", "Security"];
const SEE_ALSO: &str = ".SH SEE ALSO\nwaagent(8), waagent\\-net(8), waagent\\-gate(8), waagent\\-fetch(8), \
waagent\\-certs(8), waagent\\-media(8), waagent\\-disk(8), waagent\\-provision(8), waagent\\-ext(8), \
waagent\\-ext\\-run(8), waagent\\-supervise(8), waagent.conf(5)\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_tells_what_the_program_does_and_every_flag() {
        for (name, arguments, source) in PAGES {
            let text =
                String::from_utf8(page(name, arguments(), source).unwrap()).unwrap().replace("\\-", "-");
            for heading in
                [".SH NAME", ".SH DOES", ".SH READS", ".SH WRITES", ".SH EXIT CODES", ".SH SECURITY"]
            {
                assert!(text.contains(heading), "{name} lacks {heading}");
            }
            for flag in
                arguments().get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(clap::Arg::get_long)
            {
                assert!(text.contains(&format!("--{flag}")), "{name} lacks --{flag}");
            }
        }
    }
}
