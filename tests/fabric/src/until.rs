//! Conditions: what the next goal state waits for, and what a person or the demo waits for.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, bail};
use serde::Deserialize;

use crate::route::Route;

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Until {
    /// Never by itself.
    Manual,
    /// `polls=N`: so many goal state requests since this goal state began.
    Polls(u64),
    /// `uploads=N`: so many status uploads since this goal state began.
    Uploads(u64),
    /// `goal-state=N`: the scenario's Nth goal state, from 1, is the current one.
    GoalState(usize),
    /// A health report NotReady/Provisioning came.
    Provisioning,
    /// An accepted health report Ready came.
    Ready,
    /// A health report NotReady/ProvisioningFailed came.
    Failed,
    /// A status was uploaded for this goal state.
    Status,
    /// All extensions say success.
    StatusSuccess,
    /// All extensions have ended, with success or not.
    StatusDone,
    /// Role properties came.
    RoleProperties,
    /// A telemetry event came.
    Telemetry,
    /// `requests:ROUTE=N`: so many requests of a route in all.
    Requests(Route, u64),
}

impl FromStr for Until {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some((name, number)) = text.split_once('=') {
            let number: u64 = number.parse().with_context(|| format!("'{text}': not a number"))?;
            return Ok(match name.split_once(':') {
                None if name == "polls" => Self::Polls(number),
                None if name == "uploads" => Self::Uploads(number),
                None if name == "goal-state" => Self::GoalState(usize::try_from(number)?),
                Some(("requests", route)) => {
                    Self::Requests(serde_json::from_value(route.into()).context("no such route")?, number)
                }
                _ => bail!("no condition '{name}'"),
            });
        }
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, until)| until.clone()).with_context(|| format!("no condition '{text}'"))
    }
}

impl TryFrom<String> for Until {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for Until {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, until)| until == self).map(|(name, _)| *name);
        match (self, name) {
            (_, Some(name)) => formatter.write_str(name),
            (Self::Polls(count), None) => write!(formatter, "polls={count}"),
            (Self::Uploads(count), None) => write!(formatter, "uploads={count}"),
            (Self::GoalState(number), None) => write!(formatter, "goal-state={number}"),
            (Self::Requests(route, count), None) => {
                let route = serde_json::to_value(route).map_err(|_| fmt::Error)?;
                write!(formatter, "requests:{}={count}", route.as_str().unwrap_or_default())
            }
            (_, None) => Err(fmt::Error),
        }
    }
}

/// Conditions without a number.
const NAMES: [(&str, Until); 9] = [
    ("manual", Until::Manual),
    ("provisioning", Until::Provisioning),
    ("ready", Until::Ready),
    ("failed", Until::Failed),
    ("status", Until::Status),
    ("status-success", Until::StatusSuccess),
    ("status-done", Until::StatusDone),
    ("role-properties", Until::RoleProperties),
    ("telemetry", Until::Telemetry),
];
