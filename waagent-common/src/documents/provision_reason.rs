//! The causes of a failed provisioning.

use crate::words;

words! {
    /// Why provisioning, or a step of it, failed: a fixed list, one per cause, in the words that the platform is told.
    pub enum ProvisionReason {
        /// A thumbprint that the platform sent no certificate for.
        Certificate = "certificate not found",
        /// cloud-init is switched on, and the configuration says that we provision.
        CloudInitEnabled = "cloud-init enabled",
        /// cloud-init did not end in time.
        CloudInitUnfinished = "cloud-init not finished",
        /// Custom data that isn't what it should be.
        CustomData = "invalid custom data",
        /// Making host keys.
        HostKeys = "failure to generate host keys",
        /// A host name outside of RFC 1123.
        HostName = "invalid host name",
        /// A path that is no place for this user's keys.
        KeyPath = "invalid key path",
        /// The medium's copy isn't what its document says.
        MediaUnreadable = "provisioning media unreadable",
        /// Neither password nor key.
        NoLogin = "no way to log in",
        /// No medium, or none that holds `ovf-env.xml`.
        NoMedia = "no provisioning media",
        /// A file system without room.
        NoSpace = "no space left",
        /// An `ovf-env.xml` that says what it can't mean.
        OvfMeaning = "unexpected metadata parsing ovf-env.xml",
        /// An `ovf-env.xml` that isn't XML as it should be.
        OvfParsing = "error parsing ovf-env.xml",
        /// Setting a password.
        Password = "failure to set password",
        /// A password that no tool takes.
        PasswordUnsupported = "unsupported password",
        /// A VM that waits in a pool for its customer.
        Preprovisioned = "pre-provisioned VM unsupported",
        /// A damaged public key.
        PublicKey = "invalid public key",
        /// A file system that can't be written.
        ReadOnly = "read-only system",
        /// Changing sshd's configuration.
        Sshd = "failure to configure sshd",
        /// Changing sudo's rules.
        Sudoers = "failure to write sudoers",
        /// An account of the system.
        SystemUser = "reserved or system user",
        /// Whatever else.
        Unhandled = "unhandled error",
        /// Making the user.
        User = "failure to create user",
        /// A user name that some file or tool would misread.
        UserName = "invalid user name",
    }
}
