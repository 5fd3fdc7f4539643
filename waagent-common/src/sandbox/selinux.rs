//! The SELinux layer. The kernel changes the domain at exec; this checks that it did.

use std::fs;

use crate::fault::{Exit, Fault};

/// The process's context. Where SELinux is enforcing it must be the declared domain: a wrong transition leaves a
/// service in its parent's domain, which may be unconfined, and nothing else would tell.
pub(super) fn check(domain: &str) -> Result<String, Fault> {
    let context = context();
    let enforcing = fs::read("/sys/fs/selinux/enforce").is_ok_and(|value| value.starts_with(b"1"));
    let own = context.split(':').nth(2) == Some(domain);
    if enforcing && !own {
        let text = format!(
            "refusing to work in SELinux context '{context}': the domain must be {domain}; \
             relabel with 'restorecon -v' on this program and start it by systemctl"
        );
        return Err(Fault::new(Exit::NotPermitted, text));
    }
    Ok(context)
}

/// The context of this process, or `disabled`.
pub(super) fn context() -> String {
    if !fs::exists("/sys/fs/selinux/enforce").unwrap_or(false) {
        return "disabled".to_owned();
    }
    fs::read_to_string("/proc/self/attr/current")
        .map_or_else(|_| "unreadable".to_owned(), |context| context.trim_end_matches(['\0', '\n']).to_owned())
}
