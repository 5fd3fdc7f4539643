//! Signal dispositions, as a program expects to find them.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Gives every signal its default disposition, whatever the starter left: what is ignored here would be ignored by
/// each program that this process executes.
pub fn restore_defaults() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: SIG_DFL runs no code of ours; whatever handler was there is no longer called.
        let restored = unsafe { sigaction(signal, &default) };
        if let Err(error) = restored {
            crate::log::verbose(&format!("cannot restore {signal}: {error}, ignoring"));
        }
    }
}
