//! The encoded report: one line of fields that Azure's support tools take apart, as cloud-init writes it.

use waagent_common::documents::StepError;
use waagent_common::text::{cut, one_line};
use waagent_common::time;

/// Longest description, in bytes; the platform refuses 4096 after escaping.
const MAX: usize = 3000;

/// The report of a failure; its first error is the reason, the others are told with it.
pub(crate) fn error(errors: &[StepError], vm_id: &str) -> String {
    let Some(first) = errors.first() else { return String::new() };
    let details: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.step, error.text)).collect();
    let detail = one_line(&details.join("; "), MAX / 2);
    let stamp = time::now_micros().replace('Z', "+00:00");
    let agent = concat!("waagent-rs/", env!("CARGO_PKG_VERSION"));
    let fields = [
        ("result", "error"),
        ("reason", first.reason.as_wire()),
        ("agent", agent),
        ("step", &first.step),
        ("detail", &detail),
        ("pps_type", "None"),
        ("vm_id", vm_id),
        ("timestamp", &stamp),
        ("documentation_url", "https://aka.ms/linuxprovisioningerror"),
    ];
    let record: Vec<String> = fields.iter().map(|(key, value)| quoted(&format!("{key}={value}"))).collect();
    cut(&record.join("|"), MAX).to_owned()
}

/// A field that holds a separator is put between quotes, quotes in it are doubled.
fn quoted(field: &str) -> String {
    if field.contains(['|', '\'', '\r', '\n']) {
        format!("'{}'", field.replace('\'', "''"))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::{self, Reason};

    #[test]
    fn quotes_what_would_end_a_field() {
        let errors = [reason::error("user", Reason::UserName, "character '|' at 4")];
        let text = error(&errors, "0a1b");
        assert!(text.starts_with("result=error|reason=invalid user name|agent=waagent-rs/"), "{text}");
        assert!(
            text.contains("|'detail=user: character ''|'' at 4'|pps_type=None|vm_id=0a1b|timestamp=2"),
            "{text}"
        );
        assert!(text.ends_with("+00:00|documentation_url=https://aka.ms/linuxprovisioningerror"), "{text}");
    }

    #[test]
    fn stays_below_what_the_platform_takes() {
        let errors: Vec<StepError> =
            (0..64).map(|_| reason::error("s", Reason::User, "é".repeat(500))).collect();
        let text = error(&errors, "0a1b");
        assert!(text.len() <= MAX && text.ends_with("linuxprovisioningerror"), "{}", text.len());
    }
}
