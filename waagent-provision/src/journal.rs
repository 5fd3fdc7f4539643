//! The step journal: written before and after each step, so that a killed pass is gone on with.

use anyhow::Result;
use waagent_common::documents::{self, Document, Inputs, JournalState, JournalStep, ProvisionJournal};
use waagent_common::durable;
use waagent_common::fault::Exit;
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::cut;
use waagent_common::time;

/// The journal of this pass, and where it is written.
#[derive(Debug)]
pub(crate) struct Journal<'a> {
    root: &'a Root,
    sandbox: &'a Sandbox,
    inputs: Inputs,
    /// What it says.
    pub(crate) body: ProvisionJournal,
}

/// The journal that an earlier pass left. A damaged one is kept aside: the steps look at the system itself.
pub fn read(root: &Root) -> Result<Option<ProvisionJournal>> {
    match Document::<ProvisionJournal>::read_if_there(root) {
        Ok(journal) => Ok(journal.map(|journal| journal.body)),
        Err(fault) if fault.exit == Exit::Data => {
            let path = documents::path_of::<ProvisionJournal>(root);
            let aside = path.with_extension("json.bad");
            log::warning(&format!("{fault}, ignoring; it is kept as '{}'", aside.display()));
            std::fs::rename(&path, &aside)?;
            durable::sync_folder(&path)?;
            Ok(None)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Had this step come to its end?
pub(crate) fn is_done(journal: &ProvisionJournal, name: &str) -> bool {
    journal.steps.iter().any(|step| step.name == name && step.state == JournalState::Done)
}

/// Is a password set that the medium gave?
pub(crate) fn has_set_password(journal: &ProvisionJournal) -> bool {
    journal.password_given && is_done(journal, "password")
}

impl<'a> Journal<'a> {
    /// A journal that goes on with `body`.
    pub(crate) fn new(root: &'a Root, sandbox: &'a Sandbox, inputs: Inputs, body: ProvisionJournal) -> Self {
        Self { root, sandbox, inputs, body }
    }

    /// Notes which VM and boot this pass is of.
    pub(crate) fn begin(&mut self, instance_id: &str) {
        let boot_id = boot_id();
        if self.body.boot_id != boot_id {
            self.body.waiting_since_s = None;
        }
        self.body.boot_id = boot_id;
        instance_id.clone_into(&mut self.body.instance_id);
    }

    /// Remembers when this boot began to wait. Thirty minutes after the boot what still waits has failed; a wait that
    /// has only begun then gets five.
    pub(crate) fn has_waited_too_long(&mut self) -> Result<bool> {
        let now = time::uptime().as_secs();
        let since = *self.body.waiting_since_s.get_or_insert(now);
        self.write()?;
        Ok(now >= LIMIT_S && now.saturating_sub(since) >= LEAST_S)
    }

    /// The state that a step was left in.
    pub(crate) fn state(&self, name: &str) -> Option<JournalState> {
        self.body.steps.iter().find(|step| step.name == name).map(|step| step.state)
    }

    /// What a step came to.
    pub(crate) fn detail(&self, name: &str) -> &str {
        self.body.steps.iter().find(|step| step.name == name).map_or("", |step| step.detail.as_str())
    }

    /// Notes a step's new state, durably; nothing is written where it is the old one.
    pub(crate) fn note(&mut self, name: &str, state: JournalState, detail: &str) -> Result<()> {
        let detail = cut(detail, 1024).to_owned();
        match self.body.steps.iter_mut().find(|step| step.name == name) {
            Some(step) => (step.state, step.detail) = (state, detail),
            None => self.body.steps.push(JournalStep { name: name.to_owned(), state, detail }),
        }
        self.write()
    }

    /// Writes it durably, if it says anything new.
    pub(crate) fn write(&self) -> Result<()> {
        documents::write(self.root, &self.body, &self.inputs, self.sandbox)?;
        Ok(())
    }
}

/// Unknown is a boot like any other.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// What still waits half an hour after the boot has failed (WALinuxAgent waits as long), in seconds.
const LIMIT_S: u64 = 30 * 60;
/// Shortest wait, in seconds.
const LEAST_S: u64 = 5 * 60;
