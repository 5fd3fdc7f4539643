//! The extensions' plan, for people.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::types::{HandlerName, HandlerVersion};

/// What is to be done for a goal state, and why: decided before the first step.
///
/// Written by waagent-ext; read by people. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The goal state.
    pub goal_state_id: String,
    /// Why it is worked on: a new goal state, another boot, another run of the chain.
    pub reason: String,
    /// One for each handler, in the order of work.
    pub steps: Vec<PlannedHandler>,
}

/// What is to be done for one handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedHandler {
    /// Handler.
    pub name: HandlerName,
    /// The version that the goal state names.
    pub version: HandlerVersion,
    /// What the goal state wants of it.
    pub wanted: String,
    /// Position in the order: lower first, removals below 0.
    pub level: i64,
    /// The next step as things stand.
    pub next: String,
    /// Do configuration and policy allow it?
    pub allowed: bool,
    /// The rule that decided.
    pub rule: String,
}

impl Body for Plan {
    const NAME: &'static str = "plan";
    const PATH: &'static str = "/var/lib/waagent/ext/plan.json";
    const PROGRAM: &'static str = "waagent-ext";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 4 << 20;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("goal_state_id", &mut self.goal_state_id, 256);
        bounds.text("reason", &mut self.reason, 256);
        bounds.list("steps", &mut self.steps, 256);
        for step in &mut self.steps {
            bounds.text("steps[].wanted", &mut step.wanted, 256);
            bounds.text("steps[].next", &mut step.next, 256);
            bounds.text("steps[].rule", &mut step.rule, 8 << 10);
        }
    }
}
