//! SELinux: does it enforce, and does everything of the agent's have the label that the policy says?

use std::time::Duration;

use super::finding::{Finding, Layer, Subject};
use super::machine::Machine;

/// Compares labels, by the policy's own tool.
pub fn compare(machine: &Machine) -> Vec<Finding> {
    let subject = Subject::new("waagent", Layer::Label);
    let mode = match machine.enforces() {
        None => return vec![subject.unchecked("SELinux", "it is off")],
        Some(true) => subject.ok("SELinux"),
        Some(false) => {
            subject.differs("SELinux", "enforcing", "permissive", "setenforce 1, and SELINUX=enforcing")
        }
    };
    let mut found = vec![mode];
    if !machine.root.is_live() {
        found.push(subject.unchecked("labels", "the policy knows those of the running machine alone"));
        return found;
    }
    let Some(tool) = TOOLS.iter().find_map(|path| machine.tool(path)) else {
        found.push(subject.unchecked("labels", "there is no restorecon on this machine"));
        return found;
    };
    let paths: Vec<&str> = LABELLED.iter().copied().filter(|path| machine.path(path).exists()).collect();
    let output = tool.args(["-nRv"]).args(paths).limit(Duration::from_secs(120)).output();
    match output {
        Ok(output) if output.status.success() => found.extend(read(&output.stdout, &subject)),
        Ok(output) => found.push(subject.unchecked("labels", waagent_common::text::shown(&output.stderr))),
        Err(fault) => found.push(subject.unchecked("labels", fault.text)),
    }
    found
}

/// Lines of restorecon(8): `Would relabel PATH from CONTEXT to CONTEXT`.
fn read(said: &str, subject: &Subject) -> Vec<Finding> {
    let wrong: Vec<Finding> = said
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("Would relabel ")?;
            let (path, contexts) = rest.rsplit_once(" from ")?;
            let (now, expected) = contexts.split_once(" to ")?;
            Some(subject.differs(path, expected, now, format!("restorecon -v {path}; find out who made it")))
        })
        .collect();
    if wrong.is_empty() { vec![subject.ok("labels")] } else { wrong }
}

const TOOLS: &[&str] = &["/usr/sbin/restorecon", "/sbin/restorecon"];
/// Everything of the agent's, installed or made.
const LABELLED: &[&str] = &[
    "/usr/libexec/waagent",
    "/usr/sbin/waagent",
    "/usr/lib/waagent",
    "/usr/lib/systemd/system",
    "/etc/waagent.conf",
    "/etc/waagent.conf.d",
    "/etc/waagent_policy.json",
    "/var/lib/waagent",
    "/run/waagent",
    "/var/log/waagent.log",
    "/var/log/azure",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::State;

    #[test]
    fn a_label_that_restorecon_would_change_differs() {
        let subject = Subject::new("waagent", Layer::Label);
        let said = "Would relabel /run/waagent/net/lock from system_u:object_r:var_run_t:s0 to \
                    system_u:object_r:waagent_net_runtime_t:s0\n";
        let found = read(said, &subject);
        assert_eq!((found[0].state, found[0].what.as_str()), (State::Differs, "/run/waagent/net/lock"));
        assert_eq!(read("", &subject)[0].state, State::Ok);
    }
}
