//! The record as a person reads it.

use std::io::{Result, Write};

use serde_json::Value;

use crate::record::{HealthReport, Record};

/// Prints the record: requests per route, health reports, the last status.
pub fn print(record: &Record, out: &mut impl Write) -> Result<()> {
    requests(record, out)?;
    writeln!(out, "\nHealth reports")?;
    record.health.iter().try_for_each(|report| health(report, out))?;
    for property in &record.role_properties {
        writeln!(out, "Role property {}: {}", property.name, property.value)?;
    }
    writeln!(out, "\nGoal states")?;
    for goal in &record.goal_states {
        writeln!(
            out,
            "  {}  incarnation {}, {} extensions",
            time(&goal.at),
            goal.incarnation,
            goal.extensions
        )?;
    }
    let bad = record.status_uploads.iter().filter(|upload| upload.error.is_some()).count();
    writeln!(out, "\nStatus: {} uploads, {bad} of them unreadable", record.status_uploads.len())?;
    if let Some(status) = &record.last_status {
        print_status(status, out)?;
    }
    writeln!(out, "\nTelemetry: {} events; log archives: {}", record.telemetry.len(), record.logs.len())?;
    for complaint in &record.complaints {
        writeln!(out, "  {complaint}")?;
    }
    Ok(())
}

fn requests(record: &Record, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{:<22} {:>6} {:>8} {:>7}  openers", "Route", "asked", "refused", "faults")?;
    for (route, count) in &record.counts {
        let of: Vec<_> = record.of(*route).collect();
        let refused = of.iter().filter(|exchange| exchange.status >= 400 && exchange.fault.is_none()).count();
        let faults = of.iter().filter(|exchange| exchange.fault.is_some()).count();
        let mut openers: Vec<String> =
            of.iter().map(|e| e.opener_uid.map_or("?".into(), |uid| format!("uid {uid}"))).collect();
        openers.sort_unstable();
        openers.dedup();
        let name = serde_json::to_value(route).unwrap_or_default();
        let name = name.as_str().unwrap_or_default();
        writeln!(out, "{name:<22} {count:>6} {refused:>8} {faults:>7}  {}", openers.join(", "))?;
    }
    Ok(())
}

fn health(report: &HealthReport, out: &mut impl Write) -> Result<()> {
    let HealthReport { state, sub_status, description, .. } = report;
    let refused = if report.accepted { "" } else { "  (refused: not the current ids)" };
    writeln!(out, "  {}  {state} {sub_status} {description}{refused}", time(&report.at))
}

fn print_status(status: &Value, out: &mut impl Write) -> Result<()> {
    let text = |value: &Value, pointer: &str| match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    writeln!(
        out,
        "  agent {} {}: {}; goal state {} ({})",
        text(status, "/aggregateStatus/guestAgentStatus/version"),
        text(status, "/aggregateStatus/guestAgentStatus/status"),
        text(status, "/aggregateStatus/guestAgentStatus/formattedMessage/message"),
        text(status, "/aggregateStatus/vmArtifactsAggregateStatus/goalStateAggregateStatus/status"),
        text(status, "/aggregateStatus/vmArtifactsAggregateStatus/goalStateAggregateStatus/inSvdSeqNo"),
    )?;
    let handlers = status.pointer("/aggregateStatus/handlerAggregateStatus").and_then(Value::as_array);
    for handler in handlers.into_iter().flatten() {
        writeln!(
            out,
            "  {} {} {}: {}; settings {} {}: {}",
            text(handler, "/handlerName"),
            text(handler, "/handlerVersion"),
            text(handler, "/status"),
            text(handler, "/formattedMessage/message"),
            text(handler, "/runtimeSettingsStatus/sequenceNumber"),
            text(handler, "/runtimeSettingsStatus/settingsStatus/status/status"),
            text(handler, "/runtimeSettingsStatus/settingsStatus/status/formattedMessage/message"),
        )?;
    }
    Ok(())
}

fn time(at: &jiff::Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}
