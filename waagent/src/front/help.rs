//! What `waagent -help` says.

/// One line of usage, as long as WALinuxAgent's.
pub const SYNOPSIS: &str = "usage: waagent [-verbose] [-force] [-help] [-configuration-path:<path>] \
-version|-show-configuration|-check-configuration|status|audit|policy <program>|-provision|-daemon|-start|-run-exthandlers|\
-register-service|-setup-firewall=<IP>|-collect-logs [-full]|-deprovision[+user]";

/// The commands, each with a sentence.
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
  -setup-firewall=<IP>     protect the platform's address now
  -collect-logs [-full]    gather diagnostic logs into one archive
  -deprovision[+user]      clean this machine for capture as an image (+user: delete the provisioned user too)

Flags:
  -configuration-path:<path>   another configuration file, for commands that run in the foreground
  -force                       no question before deprovisioning
  --plan                       deprovision: say what would be removed, remove nothing
  --root <dir>                 status, audit, show-configuration: look below this folder
  -verbose                     more words

Exit status: 0 done, 1 failed, 2 usage, 3 not confirmed, 4 not permitted, 5 busy or refused.

Each program can also be run alone (systemctl start waagent-net), says --help, and most say --plan.";
