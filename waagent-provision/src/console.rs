//! The boot console, which Azure's boot diagnostics show: what happens until the machine is provisioned.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

use nix::fcntl::OFlag;
use waagent_common::log;
use waagent_common::text::one_line;

static TO_CONSOLE: OnceLock<bool> = OnceLock::new();

/// `Logs.Console`, decided once: only while the machine isn't provisioned, and never from a scratch root.
pub fn start(to_console: bool) {
    TO_CONSOLE.get_or_init(|| to_console);
}

/// A finished step, in the log and on the console.
pub(crate) fn info(text: &str) {
    log::info(text);
    write(text);
}

/// What was got over, in the log and on the console.
pub(crate) fn warning(text: &str) {
    log::warning(text);
    write(text);
}

/// Never waits: a stuck serial line loses the text, not the boot.
fn write(text: &str) {
    if TO_CONSOLE.get() != Some(&true) {
        return;
    }
    let flags = (OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits();
    if let Ok(mut console) = OpenOptions::new().append(true).custom_flags(flags).open("/dev/console") {
        // The log has it anyway.
        let _unwritten =
            console.write_all(format!("waagent-provision: {}\r\n", one_line(text, 900)).as_bytes());
    }
}
