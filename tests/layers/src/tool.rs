use std::path::Path;
use std::process::Command;

/// How a tool ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub is_success: bool,
    /// Both of its streams.
    pub all: String,
    pub output: String,
}

/// Runs a tool for two minutes at the most. What it asks a person for is in English.
pub fn tool(words: &[&str]) -> Said {
    let ended = Command::new("timeout").arg("120").args(words).env("LC_ALL", "C").output().unwrap();
    let output = String::from_utf8_lossy(&ended.stdout).into_owned();
    let all = format!("{output}{}", String::from_utf8_lossy(&ended.stderr));
    Said { is_success: ended.status.success(), all, output }
}

/// Is the tool installed?
pub fn has(name: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|folder| Path::new(folder).join(name).exists())
}
