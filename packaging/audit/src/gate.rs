//! What the gate lets pass: its table, grammar and limits, as its code has them.

use waagent_common::gate::protocol::{CONNECT_TIME, HEAD_TIME, IDLE_TIME, WHOLE_TIME};
use waagent_gate::head::RULES;
use waagent_gate::office::PER_SECOND;
use waagent_gate::queue::MAX_WAITING;
use waagent_gate::server::MAX_PEERS;
use waagent_gate::table::{CERTIFICATE, EVERYWHERE, ROWS, Row};
use waagent_gate::values::Values;

use crate::blocks::{Block, heading, table, text};
use crate::index::size;

/// The section of its page.
pub fn section() -> Vec<Block> {
    let columns = ["At", "Method", "Path and query", "Headers", "Body", "Answer", "What for"];
    let mut rules: Vec<String> = RULES.iter().map(|&rule| rule.to_owned()).collect();
    rules.push(format!(
        "`{CERTIFICATE}`, wherever it is sent, equals the certificate of `certs/transport.json` as it is then; what any \
         reader could take for a request for certificates has it"
    ));
    vec![
        heading(2, "What passes"),
        text(
            "One request by connection. What no row names is refused, with a line in the journal and a count in \
             `waagent status`; of what passes the head is written anew.",
        ),
        table(&columns, ROWS.iter().map(row).collect()),
        text(&format!("Each may have the headers {} besides. The grammar:", codes(EVERYWHERE))),
        Block::List(rules),
        text(&format!(
            "Limits: {} s for the head, {} s to connect, {} s in which no byte moves, {} min in all; {MAX_PEERS} \
             requests at a time and {MAX_WAITING} that wait, of root and of the fetcher each; {PER_SECOND} connections to \
             the platform a second.",
            HEAD_TIME.as_secs(),
            CONNECT_TIME.as_secs(),
            IDLE_TIME.as_secs(),
            WHOLE_TIME.as_secs() / 60
        )),
    ]
}

fn row(row: &Row) -> Vec<String> {
    let body = if row.body == 0 { "none".to_owned() } else { size(row.body) };
    vec![
        row.target.to_string(),
        row.method.as_wire().to_owned(),
        format!("`{}`", row.path.shown()),
        headers(row),
        body,
        size(row.answer),
        row.why.to_owned(),
    ]
}

fn headers(row: &Row) -> String {
    let shown = row.headers.iter().map(|(name, values)| match values {
        Values::Any => format!("`{name}`"),
        pinned => format!("`{name}` ({pinned})"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn codes(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
