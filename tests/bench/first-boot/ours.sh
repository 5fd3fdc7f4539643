# This agent's units: all are in one slice. Sourced by the job.
# shellcheck shell=bash disable=SC2034,SC2154
units=(azure.slice waagent-customdata.service)
firewall() {
    systemctl show -P ExecMainExitTimestampMonotonic waagent-firewall.service | awk '{ printf "%.1f", $1 / 1e6 }'
}
