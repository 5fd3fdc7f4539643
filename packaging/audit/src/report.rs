//! The whole report: all sources in, all files out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use waagent_declaration::selinux::{Context as FileContext, Module, contexts};
use waagent_declaration::{Tables, Unit};

use crate::docstring::{self, Docstring};
use crate::exposure::Exposure;
use crate::programs::PROGRAMS;
use crate::reach::Layers;
use crate::{html, index, markdown, page, picture};

/// What the report is made from.
#[derive(Debug)]
pub struct Sources {
    /// Services by name.
    pub units: BTreeMap<String, Unit>,
    /// The SELinux module.
    pub module: Module,
    /// Types of paths.
    pub contexts: Vec<FileContext>,
    /// The port that a module can't hold, in CIL.
    pub ports: String,
    /// Scores of the units.
    pub exposure: Exposure,
    /// Declared differences.
    pub tables: Tables,
    /// What each program says of itself.
    pub pages: BTreeMap<&'static str, Docstring>,
    /// What a stolen fetcher can still do.
    pub stolen: Vec<String>,
}

impl Sources {
    /// Reads all of them.
    pub fn read(repository: &Path) -> Result<Self> {
        let text = |name: &str| {
            let path = repository.join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let mut pages = BTreeMap::new();
        for program in PROGRAMS {
            pages.insert(program.name, docstring::read(&text(program.source)?));
        }
        Ok(Self {
            units: services(&repository.join("systemd"))?,
            module: Module::parse(&text("selinux/waagent.te")?),
            contexts: contexts(&text("selinux/waagent.fc")?),
            ports: text("selinux/waagent-ports.cil")?,
            exposure: Exposure::parse(&text("packaging/audit/exposure")?),
            tables: Tables::parse(&text("tests/layers/differences")?, &text("tests/layers/relaxations")?),
            pages,
            stolen: stolen(&text("docs/architecture.md")?),
        })
    }

    /// The units that execute a program.
    pub fn units_of(&self, program: &str) -> Vec<&Unit> {
        self.units.values().filter(|unit| unit.program() == Some(program)).collect()
    }

    /// What decides who reaches a document.
    pub fn layers(&self) -> Layers<'_> {
        Layers { module: &self.module, contexts: &self.contexts }
    }
}

/// The points below the heading that speaks of a stolen fetcher; continued lines are joined.
fn stolen(architecture: &str) -> Vec<String> {
    let is_it = |line: &&str| line.starts_with('#') && line.to_lowercase().contains("stolen");
    let mut points: Vec<String> = Vec::new();
    let section = architecture.lines().skip_while(|line| !is_it(line)).skip(1);
    for line in section.take_while(|line| !line.starts_with('#')) {
        if let Some(point) = line.strip_prefix("- ") {
            points.push(point.to_owned());
        } else if line.starts_with("  ")
            && let Some(last) = points.last_mut()
        {
            last.push(' ');
            last.push_str(line.trim());
        }
    }
    points
}

/// All files of the report, by name.
pub fn make(repository: &Path) -> Result<BTreeMap<String, String>> {
    let sources = Sources::read(repository)?;
    let picture = picture::draw(&sources);
    let mut pages = vec![index::page(&sources, &picture)];
    for program in PROGRAMS {
        pages.push(page::page(program, &sources));
    }
    let mut files: BTreeMap<String, String> =
        pages.iter().map(|page| (format!("{}.md", page.name), markdown::render(page))).collect();
    files.insert("pipeline.svg".to_owned(), picture);
    files.insert("audit.html".to_owned(), html::render(&pages));
    Ok(files)
}

/// Writes the files; what a report of before has left, and this one hasn't, goes.
pub fn write(files: &BTreeMap<String, String>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make '{}'", folder.display()))?;
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours =
            path.extension().is_some_and(|ending| ["md", "svg", "html"].iter().any(|own| ending == *own));
        if ours && !files.contains_key(&name) {
            fs::remove_file(&path)?;
        }
    }
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write '{}'", path.display()))?;
    }
    Ok(())
}

/// All services of a folder, by name.
fn services(folder: &Path) -> Result<BTreeMap<String, Unit>> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot list '{}'", folder.display()))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|ending| ending == "service") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            found.insert(name.clone(), Unit::parse(&name, &text));
        }
    }
    Ok(found)
}
