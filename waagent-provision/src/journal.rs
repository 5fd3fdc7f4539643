//! The step journal: written before and after each step, so that a killed pass is gone on with.

use anyhow::Result;
use waagent_common::documents::{self, Document, Inputs, JournalState, JournalStep, ProvisionJournal};
use waagent_common::durable;
use waagent_common::fault::Exit;
use waagent_common::log;
use waagent_common::place::Place;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::cut;

/// The journal of this pass, and where it is written.
#[derive(Debug)]
pub struct Journal<'a> {
    place: &'a Place,
    sandbox: &'a Sandbox,
    inputs: Inputs,
    /// What it says.
    pub body: ProvisionJournal,
}

/// The journal that an earlier pass left. A damaged one is kept aside: the steps look at the system itself.
pub fn read(place: &Place) -> Result<Option<ProvisionJournal>> {
    match Document::<ProvisionJournal>::read_if_there(place) {
        Ok(journal) => Ok(journal.map(|journal| journal.body)),
        Err(fault) if fault.exit == Exit::Data => {
            let path = documents::path_of::<ProvisionJournal>(place);
            let aside = path.with_extension("json.bad");
            log::warning(&format!("{fault}, ignoring; it is kept as '{}'", aside.display()));
            std::fs::rename(&path, &aside)?;
            durable::sync_folder(&path)?;
            Ok(None)
        }
        Err(fault) => Err(fault.into()),
    }
}

impl<'a> Journal<'a> {
    /// A journal that goes on with `body`.
    pub fn new(place: &'a Place, sandbox: &'a Sandbox, inputs: Inputs, body: ProvisionJournal) -> Self {
        Self { place, sandbox, inputs, body }
    }

    /// The state that a step was left in.
    pub fn state(&self, name: &str) -> Option<JournalState> {
        self.body.steps.iter().find(|step| step.name == name).map(|step| step.state)
    }

    /// What a step came to.
    pub fn detail(&self, name: &str) -> &str {
        self.body.steps.iter().find(|step| step.name == name).map_or("", |step| step.detail.as_str())
    }

    /// Notes a step's new state, durably; nothing is written where it is the old one.
    pub fn note(&mut self, name: &str, state: JournalState, detail: &str) -> Result<()> {
        let detail = cut(detail, 1024).to_owned();
        match self.body.steps.iter_mut().find(|step| step.name == name) {
            Some(step) => (step.state, step.detail) = (state, detail),
            None => self.body.steps.push(JournalStep { name: name.to_owned(), state, detail }),
        }
        self.write()
    }

    /// Writes it durably, if it says anything new.
    pub fn write(&self) -> Result<()> {
        documents::write(self.place, &self.body, &self.inputs, self.sandbox)?;
        Ok(())
    }
}
