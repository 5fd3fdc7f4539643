//! `--plan`: what a pass would do. Nothing secret is printed.

use std::fmt::Write;

use waagent_common::config::{SwitchKey, TextKey};
use waagent_common::documents::ProvisionJournal;

use crate::plan::{KeySource, NewPassword, Plan, Target};
use crate::provision::Run;
use crate::steps;

/// A line per step.
pub fn of(run: &Run<'_>, plan: &Plan, earlier: Option<&ProvisionJournal>) -> String {
    let mut text = format!("would provision VM {}:\n", run.id);
    for row in steps::ROWS {
        let what = line(run, plan, row.name);
        let was = earlier.and_then(|journal| journal.steps.iter().find(|step| step.name == row.name));
        let was = was.map(|step| format!(" (an earlier pass: {:?})", step.state)).unwrap_or_default();
        // Writing into a string can't fail.
        let _infallible = writeln!(text, "  {:<17}{what}{was}", row.name);
    }
    for warning in &plan.warnings {
        let _infallible = writeln!(text, "  warning: {warning}");
    }
    text.push_str("then write the marker and release the medium");
    text
}

fn line(run: &Run<'_>, plan: &Plan, step: &str) -> String {
    let switch = |key| run.config.switch(key);
    let user = &plan.user;
    match step {
        "entropy" => "mix in the hypervisor's random bytes".to_owned(),
        "host-name" => format!("'{}'", plan.host_name),
        "host-keys" if switch(SwitchKey::ProvisioningRegenerateSshHostKeyPair) => {
            format!("new ones, type {}", run.config.text(TextKey::ProvisioningSshHostKeyPairType))
        }
        "host-keys" => "the image's stay".to_owned(),
        "sshd" => match plan.password_login {
            Some(true) => "password logins on".to_owned(),
            Some(false) => "password logins off".to_owned(),
            None => "password logins as the image has them".to_owned(),
        },
        "user" => match &plan.account {
            Some(account) => format!("'{user}' exists, uid {}: taken as it is", account.uid),
            None => format!("make '{user}', home '{}'", plan.home.display()),
        },
        "authorized-keys" => keys(plan),
        "password" => match plan.password {
            NewPassword::None => "none".to_owned(),
            NewPassword::Set(_) => {
                format!("set, method {}", run.config.text(TextKey::ProvisioningPasswordCryptId))
            }
            NewPassword::SetEarlier => "is set".to_owned(),
        },
        "sudoers" if plan.password.is_given() => format!("'{user}' may become root with its password"),
        "sudoers" => format!("'{user}' may become root without password"),
        "root-password" if switch(SwitchKey::ProvisioningDeleteRootPassword) => "deleted".to_owned(),
        "root-password" => "stays".to_owned(),
        "custom-data" => plan.custom_data.as_ref().map_or_else(
            || "none".to_owned(),
            |data| {
                let run_it = if switch(SwitchKey::ProvisioningExecuteCustomData) { ", run once" } else { "" };
                format!("{} bytes{run_it}", data.expose().len())
            },
        ),
        "guest-agent" if plan.guest_agent => "extensions may run".to_owned(),
        "guest-agent" => "extensions are disabled".to_owned(),
        "certificate-keys" => thumbprints(plan),
        "key-pairs" => format!("{}", plan.key_pairs.len()),
        "labels" => "SELinux labels of what is made".to_owned(),
        other => other.to_owned(),
    }
}

fn keys(plan: &Plan) -> String {
    let values: Vec<String> = plan
        .keys
        .iter()
        .filter_map(|key| match (&key.source, &key.target) {
            (KeySource::Value(value), Target::InHome(file) | Target::OfSshd(file)) => {
                Some(format!("{} {} in '{}'", value.kind(), value.fingerprint(), file.display()))
            }
            (KeySource::Certificate(_), _) => None,
        })
        .collect();
    if values.is_empty() { "none".to_owned() } else { values.join(", ") }
}

fn thumbprints(plan: &Plan) -> String {
    let certificates: Vec<&str> = plan
        .keys
        .iter()
        .filter_map(|key| match &key.source {
            KeySource::Certificate(thumbprint) => Some(thumbprint.as_str()),
            KeySource::Value(_) => None,
        })
        .collect();
    if certificates.is_empty() { "none".to_owned() } else { certificates.join(", ") }
}
