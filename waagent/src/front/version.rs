//! `waagent -version`: three lines, which tools parse.

use std::fs;

use waagent_common::AGENT_VERSION;

/// The last line must be the one with the goal state agent's version, nothing may follow it: VMBackup reads to the end.
pub fn text() -> String {
    format!(
        "WALinuxAgent-{AGENT_VERSION} running on {}\nPython: none\nGoal state agent: {AGENT_VERSION}",
        distribution()
    )
}

/// `ID` and `VERSION_ID` of os-release(5).
fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.map_or("unknown", |value| value.trim_matches(['"', '\''])).to_owned()
    };
    format!("{} {}", field("ID"), field("VERSION_ID"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ends_with_the_goal_state_agents_version() {
        let text = super::text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with(waagent_common::AGENT_VERSION));
        assert!(text.starts_with("WALinuxAgent-"));
    }
}
