//! What the platform is told of what went wrong.

use nix::errno::Errno;
pub(crate) use waagent_common::documents::ProvisionReason as Reason;
use waagent_common::documents::StepError;
use waagent_common::fault::errno_of;

/// One error of one step.
pub(crate) fn error(step: &str, reason: Reason, text: impl Into<String>) -> StepError {
    StepError { step: step.to_owned(), reason, text: text.into() }
}

/// A more telling reason than the step's own, where the kernel's error gives one.
pub(crate) fn refined(reason: Reason, error: &anyhow::Error) -> Reason {
    match errno_of(error) {
        Some(Errno::EROFS) => Reason::ReadOnly,
        Some(Errno::ENOSPC) => Reason::NoSpace,
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::{Context, anyhow};
    use waagent_common::fault::{Exit, Fault};
    use waagent_common::tool::Tool;

    use super::*;

    fn full() -> io::Error {
        Errno::ENOSPC.into()
    }

    #[test]
    fn the_kernels_error_is_the_reason_wherever_it_is_in_the_chain() {
        let tool =
            Tool::new("/bin/sh").args(["-c", "echo 'tool: /etc/x: Read-only file system' >&2; exit 1"]).run();
        for (error, reason) in [
            (anyhow!(full()), Reason::NoSpace),
            (Err::<(), _>(Errno::EROFS).context("cannot link 'x'").unwrap_err(), Reason::ReadOnly),
            (anyhow!(Fault::io("cannot write 'x'").because(full())), Reason::NoSpace),
            (anyhow!(tool.unwrap_err()), Reason::ReadOnly),
            (anyhow!(io::Error::from(Errno::EACCES)), Reason::User),
        ] {
            assert_eq!(refined(Reason::User, &error), reason, "{error:#}");
        }
    }

    #[test]
    fn words_in_what_others_have_written_are_no_error_of_the_kernels() {
        let name = "'/home/No space left on device/os error 30' belongs to uid 7";
        assert_eq!(refined(Reason::KeyPath, &anyhow!(Fault::new(Exit::Os, name))), Reason::KeyPath);
    }
}
