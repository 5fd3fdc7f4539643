//! The reasons that the platform is told: a fixed list, one per cause.

use waagent_common::documents::StepError;

/// cloud-init is switched on, and the configuration says that we provision.
pub const CLOUD_INIT_ENABLED: &str = "cloud-init enabled";
/// cloud-init did not end in time.
pub const CLOUD_INIT_UNFINISHED: &str = "cloud-init not finished";
/// A thumbprint that the platform sent no certificate for.
pub const CERTIFICATE: &str = "certificate not found";
/// Custom data that isn't what it should be.
pub const CUSTOM_DATA: &str = "invalid custom data";
/// A host name outside of RFC 1123.
pub const HOST_NAME: &str = "invalid host name";
/// Making host keys.
pub const HOST_KEYS: &str = "failure to generate host keys";
/// A path that is no place for this user's keys.
pub const KEY_PATH: &str = "invalid key path";
/// Neither password nor key.
pub const NO_LOGIN: &str = "no way to log in";
/// No medium, or none that holds `ovf-env.xml`.
pub const NO_MEDIA: &str = "no provisioning media";
/// A file system without room.
pub const NO_SPACE: &str = "no space left";
/// The medium's copy isn't what its document says.
pub const MEDIA_UNREADABLE: &str = "provisioning media unreadable";
/// Setting a password.
pub const PASSWORD: &str = "failure to set password";
/// A password that no tool takes.
pub const PASSWORD_UNSUPPORTED: &str = "unsupported password";
/// A VM that waits in a pool for its customer.
pub const PREPROVISIONED: &str = "pre-provisioned VM unsupported";
/// A damaged public key.
pub const PUBLIC_KEY: &str = "invalid public key";
/// A file system that can't be written.
pub const READ_ONLY: &str = "read-only system";
/// Changing sshd's configuration.
pub const SSHD: &str = "failure to configure sshd";
/// Changing sudo's rules.
pub const SUDOERS: &str = "failure to write sudoers";
/// An account of the system.
pub const SYSTEM_USER: &str = "reserved or system user";
/// Whatever else.
pub const UNHANDLED: &str = "unhandled error";
/// Making the user.
pub const USER: &str = "failure to create user";
/// A user name that some file or tool would misread.
pub const USER_NAME: &str = "invalid user name";

/// One error of one step.
pub fn error(step: &str, reason: &str, text: impl Into<String>) -> StepError {
    StepError { step: step.to_owned(), reason: reason.to_owned(), text: text.into() }
}

/// A more telling reason, where the kernel's own error gives one.
pub fn refined<'a>(reason: &'a str, text: &str) -> &'a str {
    if text.contains("os error 30") || text.contains("Read-only file system") {
        READ_ONLY
    } else if text.contains("os error 28") || text.contains("No space left on device") {
        NO_SPACE
    } else {
        reason
    }
}
