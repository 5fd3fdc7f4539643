//! The steps that change the machine; `FIRST`, `THEN` and `LAST` are their order.

mod authorized_keys;
mod custom_data;
mod entropy;
mod guest_agent;
pub(crate) mod host_keys;
mod host_name;
mod key_pairs;
mod labels;
mod password;
mod root_password;
pub(crate) mod sshd;
mod sudoers;
mod user;

use crate::pass::Row;
use crate::reason::Reason;

pub(crate) use custom_data::raise_flag as raise_custom_data_flag;

/// What the making of host keys needs, and what the network waits for.
pub(crate) const FIRST: &[Row] = &[
    Row { name: "entropy", reason: Reason::Unhandled, needs: &[], run: entropy::mix },
    Row { name: "host-name", reason: Reason::HostName, needs: &[], run: host_name::set },
];

/// A rule of sudo comes after its user, root's password after an administrator, host keys when they had time to be made, sshd
/// after its keys, without which it doesn't start. The marker follows when all are done.
pub(crate) const THEN: &[Row] = &[
    Row { name: "user", reason: Reason::User, needs: &[], run: user::create },
    Row {
        name: "authorized-keys",
        reason: Reason::KeyPath,
        needs: &["user"],
        run: authorized_keys::from_values,
    },
    Row { name: "password", reason: Reason::Password, needs: &["user"], run: password::set },
    Row { name: "sudoers", reason: Reason::Sudoers, needs: &["user"], run: sudoers::allow },
    Row {
        name: "root-password",
        reason: Reason::Password,
        needs: &["user", "sudoers"],
        run: root_password::lock,
    },
    Row { name: "custom-data", reason: Reason::CustomData, needs: &[], run: custom_data::save },
    Row { name: "guest-agent", reason: Reason::Unhandled, needs: &[], run: guest_agent::mark },
    Row {
        name: "certificate-keys",
        reason: Reason::Certificate,
        needs: &["user"],
        run: authorized_keys::from_certificates,
    },
    Row { name: "key-pairs", reason: Reason::Certificate, needs: &["user"], run: key_pairs::copy },
    Row { name: "host-keys", reason: Reason::HostKeys, needs: &[], run: host_keys::regenerate },
    Row { name: "sshd", reason: Reason::Sshd, needs: &[], run: sshd::configure },
];

/// What all that was made needs.
pub(crate) const LAST: &[Row] =
    &[Row { name: "labels", reason: Reason::Unhandled, needs: &[], run: labels::restore }];
