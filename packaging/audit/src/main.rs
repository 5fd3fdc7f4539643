//! Makes the auditor's report: `waagent-audit REPOSITORY FOLDER` writes an index, a page per program and a picture as
//! Markdown and SVG, and all of it as one HTML page; and the table of documents in the repository's
//! `docs/architecture.md`.
//!
//! Everything comes from the sources: the policies that the programs enter, the units, the SELinux module, the tables
//! of declared differences, the first lines of each `main.rs`. The same sources give the same bytes.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Context, Result};
use waagent_audit::{architecture, report};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let mut word = || words.next().map(PathBuf::from).context("usage: waagent-audit REPOSITORY FOLDER");
    let (repository, folder) = (word()?, word()?);
    architecture::update(&repository)?;
    report::write(&report::make(&repository)?, &folder)
}
