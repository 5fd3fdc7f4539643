//! What `waagent -help` says.

/// One line of usage.
pub const SYNOPSIS: &str = "usage: waagent [-help] [-configuration-path:<path>] \
-version|-show-configuration|-check-configuration|status|audit|policy <program>|-provision|-daemon|-start|-run-exthandlers|\
-register-service|-setup-firewall=<IP>";

/// The commands that this version has, each with a sentence.
pub const TEXT: &str = "\
waagent - the Azure Linux agent

usage: waagent [flags] <command>          (-command, --command and command mean the same)

Look around (anybody; status: root or group waagent; audit: root):
  status [--json]          each program of the agent: last result, when, from which inputs, sandbox, what it waits for
  -version                 version of the agent and of this distribution
  -show-configuration      effective value of every key of /etc/waagent.conf (--origin: and where it comes from)
  -check-configuration     exit 1 if a value of the configuration isn't used as written
  audit [--json]           is what is in force what is declared? units, processes, labels, modes, installed files;
                           exit 1 if anything differs, 5 if nothing could be compared
  policy <program>         what a program may do, as JSON, with the reason for each grant (e.g. policy waagent-fetch)

Act (root):
  -provision               run provisioning now (systemctl start waagent-provision)
  -daemon                  run the agent in the foreground
  -start                   start the agent in the background
  -run-exthandlers         start goal state and extension processing
  -register-service        enable and restart the service
  -setup-firewall=<IP>     set the firewall now; <IP> is only checked, the agent knows the address

Flags:
  -configuration-path:<path>   show-configuration, check-configuration: another configuration file
  --root <dir>                 status, audit, show-configuration, check-configuration: look below this folder

Exit status: 0 done, 1 failed, 2 usage, 4 not permitted, 5 busy or refused.

Each program can also be run alone (systemctl start waagent-net), says --help, and some say --plan.";
