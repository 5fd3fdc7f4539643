//! The fabric's own verbs: what the command line asks of a running fabric.

use std::time::Duration;

use serde_json::json;

use crate::http::{Request, Response};
use crate::shared::Shared;
use crate::until::Until;

/// Answers one request on the control port.
pub fn answer(shared: &Shared, request: &Request) -> Response {
    match (request.method.as_str(), request.path()) {
        ("GET", "/fabric/record") => serde_json::to_value(&shared.lock().record).map_or_else(
            |error| Response::refused(500, format!("record: {error}")),
            |record| Response::json(&record),
        ),
        ("GET", "/fabric/status") => match &shared.lock().record.last_status {
            Some(status) => Response::json(status),
            None => Response::refused(404, "no status was uploaded yet"),
        },
        ("POST", "/fabric/next") => match shared.next_goal_state() {
            Ok(moved) => Response::json(&json!({"moved": moved})),
            Err(error) => Response::refused(500, format!("{error:#}")),
        },
        ("GET", "/fabric/wait") => wait(shared, request),
        _ => Response::refused(404, "the fabric has no such verb"),
    }
}

fn wait(shared: &Shared, request: &Request) -> Response {
    // Conditions hold '=', which stays readable in a query as its last part.
    let target = request.target.as_str();
    let until = target.split_once("until=").map(|(_, until)| until.parse::<Until>());
    let seconds = request.query("timeout").and_then(|text| text.parse().ok());
    match (until, seconds) {
        (Some(Ok(until)), Some(seconds)) => {
            let met = shared.wait(&until, Duration::from_secs(seconds));
            Response::json(&json!({"met": met}))
        }
        (Some(Err(error)), _) => Response::refused(400, format!("{error:#}")),
        _ => Response::refused(400, "needs timeout= and until="),
    }
}
