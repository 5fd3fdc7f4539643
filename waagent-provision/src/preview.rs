//! `--plan`: what a pass would do. Nothing secret is printed.

use std::fmt::Write;

use waagent_common::config::{SwitchKey, TextKey};
use waagent_common::documents::ProvisionJournal;

use crate::key_file::KeyFile;
use crate::plan::{KeySource, NewPassword, Plan};
use crate::run::Run;
use crate::shadow::{self, Field};
use crate::{journal, ovf_file, steps};

/// A line per step.
pub(crate) fn of(run: &Run<'_>, plan: &Plan, earlier: Option<&ProvisionJournal>) -> String {
    let is_marked = run.is_marked();
    let mut text = if is_marked {
        format!("would look at all steps of VM {} again, which is provisioned:\n", run.id)
    } else {
        format!("would provision VM {}:\n", run.id)
    };
    if ovf_file::is_worth_a_look(run.sources.media.as_ref(), is_marked) {
        text.push_str("  first have waagent-media look at the drive; without a medium it would go on by its own copy:\n");
    }
    for row in steps::FIRST.iter().chain(steps::THEN).chain(steps::LAST) {
        let what = line(run, plan, row.name, earlier);
        let was = earlier.and_then(|journal| journal.steps.iter().find(|step| step.name == row.name));
        let was = was.map(|step| format!(" (an earlier pass: {})", step.state)).unwrap_or_default();
        // Writing into a string can't fail.
        let _infallible = writeln!(text, "  {:<17}{what}{was}", row.name);
    }
    for warning in &plan.warnings {
        let _infallible = writeln!(text, "  warning: {warning}");
    }
    text.push_str(if is_marked {
        "then release the medium"
    } else {
        "then write the marker and release the medium"
    });
    text
}

/// As the steps themselves decide it.
fn host_keys(run: &Run<'_>, was_done: bool) -> String {
    if !run.config.switch(SwitchKey::ProvisioningRegenerateSshHostKeyPair) {
        return "the image's stay".to_owned();
    }
    if (was_done || run.is_marked()) && steps::host_keys::would_stay(run.root, run.config) {
        return "stay as they are".to_owned();
    }
    format!("new ones, type {}", run.config.text(TextKey::ProvisioningSshHostKeyPairType))
}

fn password(run: &Run<'_>, plan: &Plan, was_done: bool) -> String {
    let is_usable = plan.account.is_some()
        && shadow::field(run.root, plan.user.as_str()).is_ok_and(|it| it == Field::Usable);
    match plan.password {
        NewPassword::None => "none".to_owned(),
        NewPassword::Set(_) | NewPassword::SetEarlier if was_done && is_usable => "is set".to_owned(),
        NewPassword::SetEarlier => "is gone".to_owned(),
        NewPassword::Set(_) => {
            format!("set, method {}", run.config.text(TextKey::ProvisioningPasswordCryptId))
        }
    }
}

fn root_password(run: &Run<'_>, plan: &Plan) -> String {
    let is_left =
        !run.config.switch(SwitchKey::ProvisioningDeleteRootPassword) || plan.user.as_str() == "root";
    // Whatever can't be read is said when it is tried.
    let is_locked = || shadow::field(run.root, "root").is_ok_and(|field| field == Field::Locked);
    if is_left || is_locked() { "stays" } else { "deleted" }.to_owned()
}

fn line(run: &Run<'_>, plan: &Plan, step: &str, earlier: Option<&ProvisionJournal>) -> String {
    let was_done = earlier.is_some_and(|journal| journal::is_done(journal, step));
    let switch = |key| run.config.switch(key);
    let user = &plan.user;
    match step {
        "entropy" => "mix in the hypervisor's random bytes".to_owned(),
        "host-name" => format!("'{}'", plan.host_name),
        "host-keys" => host_keys(run, was_done),
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
        "password" => password(run, plan, was_done),
        "sudoers" if plan.password.is_given() => format!("'{user}' may become root with its password"),
        "sudoers" => format!("'{user}' may become root without password"),
        "root-password" => root_password(run, plan),
        "custom-data" => plan.custom_data.as_ref().map_or_else(
            || "none".to_owned(),
            |data| {
                let is_run = switch(SwitchKey::ProvisioningExecuteCustomData) && !run.is_marked();
                let run_it = if is_run { ", run once" } else { "" };
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
            (KeySource::Value(value), KeyFile::InHome(file) | KeyFile::OfSshd(file)) => {
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
