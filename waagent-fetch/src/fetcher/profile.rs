//! The artifacts profile: a blob that can say "don't run extensions yet".

use serde_json::Value;
use waagent_common::json;

use super::Fetcher;
use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::goal_state::model::ExtensionsState;
use crate::goal_state::wire::WireGoalState;
use crate::http::{Request, StorageUri};
use crate::plugin::{HostIds, Plugin};
use crate::retry::TWICE;
use crate::storage::Storage;

/// Is the goal state on hold? Whatever can't be read means no: a dead blob mustn't stop a machine.
pub(crate) fn is_on_hold(fetcher: &Fetcher, wire: &WireGoalState, state: &mut ExtensionsState) -> bool {
    let Some(uri) = state.profile.clone() else { return false };
    match fetch(fetcher, wire, &uri).and_then(|bytes| read(&bytes)) {
        Ok(on_hold) => on_hold,
        Err(failure) => {
            state.notes.push(format!("artifacts profile: {failure}, using 'not on hold'"));
            false
        }
    }
}

fn fetch(fetcher: &Fetcher, wire: &WireGoalState, uri: &str) -> Result<Vec<u8>, Failure> {
    let uri = StorageUri::parse(uri, fetcher.settings.allow_http)?;
    let mut clock = Clock;
    let storage = Storage::new(&fetcher.root);
    let direct = TWICE.run(&mut clock, || storage.ask(&uri, &Request::get()));
    if let Ok(response) = direct
        && response.is_success()
    {
        return Ok(response.body);
    }
    let ids = HostIds {
        container_id: wire.identity.container_id.clone(),
        config_name: wire.identity.config_name.clone(),
    };
    let mut plugin = Plugin::new(&fetcher.client, &ids, false);
    let response = TWICE.run(&mut clock, || plugin.artifact(&uri, Request::get()))?;
    if response.is_success() {
        Ok(response.body)
    } else {
        Err(Failure { kind: Kind::of_status(&response), text: response.shown() })
    }
}

/// `{"onHold": true}`, or the text `true` in any case.
fn read(bytes: &[u8]) -> Result<bool, Failure> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(false);
    }
    let json: Value =
        json::read(bytes, json::MAX_DEPTH).map_err(|error| Failure::nonsense(format!("no JSON: {error}")))?;
    match json.get("onHold") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on_hold)) => Ok(*on_hold),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(Failure::nonsense("'onHold' is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_holds_extensions_back() {
        for (text, on_hold) in [
            ("", Ok(false)),
            ("{}", Ok(false)),
            ("{\"onHold\": true, \"profileId\": \"1\"}", Ok(true)),
            ("{\"onHold\": \"True\"}", Ok(true)),
            ("{\"onHold\": \"false\"}", Ok(false)),
            ("{\"onHold\": 1}", Err(Failure::nonsense("'onHold' is neither true nor false"))),
            ("<xml/>", Err(Failure::nonsense("no JSON: expected value at line 1 column 1"))),
        ] {
            assert_eq!(read(text.as_bytes()), on_hold, "{text}");
        }
    }
}
