//! The end of a goal state's work: what isn't in it goes, and the platform is told that it was executed.

use anyhow::Result;
use serde_json::{Value, json};
use waagent_common::documents::{ExtensionStatus, HandlerReadiness};
use waagent_common::durable;
use waagent_common::log;
use waagent_common::text::counted;
use waagent_common::time;
use waagent_common::types::HandlerName;
use waagent_common::words;

use super::{Engine, WaitReason, is};
use crate::handler::adopt;
use crate::status::file::StatusWord;

words! {
    /// What a goal state as a whole came to, in the platform's words.
    pub(super) enum Aggregate {
        /// It was executed, whatever its extensions came to.
        Success = "Success",
        /// It wasn't.
        Failed = "Failed",
    }
}

impl Engine<'_> {
    /// Every handler is done, failed or skipped.
    pub(super) fn finish(&mut self) -> Result<WaitReason> {
        let Some(run) = &mut self.state.goal_state_run else {
            return Ok(WaitReason::Idle("nothing was begun".to_owned()));
        };
        run.complete = true;
        let extensions = counted(run.items.len(), "extension");
        let text = format!("goal state {} is finished, {extensions}", run.goal_state_id);
        log::info(&format!("ProcessExtensionsGoalState completed [{}]", run.goal_state_id));
        self.remove_unnamed();
        self.aggregate(Aggregate::Success, 0, "GoalState executed successfully");
        self.write_wanted()?;
        self.save()?;
        self.prune();
        Ok(WaitReason::Idle(text))
    }

    /// The word on the goal state as a whole.
    pub(super) fn aggregate(&mut self, status: Aggregate, code: i32, message: &str) {
        let number = self.state.goal_state_run.as_ref().map_or(0, |run| run.svd_sequence_number);
        self.state.aggregate = Some(json!({
            "formattedMessage": {"lang": "en-US", "message": message},
            "timestampUTC": time::now_seconds(),
            "inSvdSeqNo": number,
            "status": status,
            "code": code,
        }));
    }

    /// Removes handlers that the goal state doesn't name: no command is run, as the platform expects. A goal state that
    /// names none at all may be one without a list, and removes nothing.
    fn remove_unnamed(&mut self) {
        let Some(goal) = self.known.goal.as_ref().map(|goal| goal.body.clone()) else { return };
        if goal.extensions.is_empty() {
            return;
        }
        let named = |name: &HandlerName| goal.extensions.iter().any(|extension| is(&extension.name, name));
        for folder in adopt::folders(self.root, |found| !named(found)) {
            log::info(&format!(
                "[{}-{}] removed: goal state {} doesn't name it",
                folder.name, folder.version, goal.id
            ));
            let home = self.home(&folder.name, &folder.version);
            self.remove_folder(&home);
        }
        self.state.handlers.retain(|record| named(&record.name));
    }

    /// The lines and the file that tools wait for when extensions come to an end.
    pub(super) fn note_progress(&self, report: &ExtensionStatus) -> Result<()> {
        let marker = self.root.state_path("ext/initial_goal_state");
        if !report.complete || marker.exists() {
            return Ok(());
        }
        let statuses: Vec<(String, String)> = report.handlers.iter().map(word).collect();
        let ended = |status: &str| {
            matches!(status.parse(), Ok(StatusWord::Success | StatusWord::Error))
                || matches!(status.parse(), Ok(HandlerReadiness::Ready | HandlerReadiness::NotReady))
        };
        if statuses.iter().all(|(_, status)| ended(status)) {
            let list: Vec<String> =
                statuses.iter().map(|(name, status)| format!("('{name}', '{status}')")).collect();
            log::info(&format!(
                "All extensions in the goal state have reached a terminal state: [{}]",
                list.join(", ")
            ));
            let id = report.goal_state_id.clone().unwrap_or_default();
            durable::write(&marker, id.as_bytes(), 0o644)?;
        }
        Ok(())
    }
}

fn word(handler: &Value) -> (String, String) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = handler.pointer("/runtimeSettingsStatus/settingsStatus/status/status");
    (text(handler.get("handlerName")), text(own.or_else(|| handler.get("status"))))
}
