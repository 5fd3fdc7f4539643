//! Devices and arguments of system calls, in words.

use waagent_declaration::{Access, Device, Named, Passes, Refusal, Rule};

/// What a device is opened for, and by whom.
pub fn of_device(device: &Device) -> String {
    let access = match device.access {
        Access::Read => "reading",
        Access::Write => "writing",
        Access::ReadWrite => "reading and writing",
    };
    match device.named {
        Named::Path => access.to_owned(),
        Named::Found => {
            format!("{access}; whoever reads what is on it has the nodes that were found and no others")
        }
    }
}

/// What passes of one argument, and what is answered to the rest.
pub fn of_rule(rule: &Rule) -> String {
    let passes = match &rule.passes {
        Passes::Only(values) if values.is_empty() => "none".to_owned(),
        Passes::Only(values) => {
            values.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        }
        Passes::Without(name, _) => format!("all without `{name}`"),
    };
    let otherwise = match rule.otherwise {
        Refusal::Ends => "ends the program".to_owned(),
        Refusal::Errno(number) => format!("is answered by error {number}"),
    };
    format!("`{}`: {passes}; another {otherwise}", rule.call)
}
