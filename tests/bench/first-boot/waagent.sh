# Debian's package of the Python agent. Sourced by the job.
# shellcheck shell=bash disable=SC2034,SC2154
units=(azure.slice walinuxagent.service waagent.service)
# The line of its log, as seconds since the kernel's start.
firewall() {
    local at
    at=$(grep -m1 -i 'created firewall rules' /var/log/waagent.log | cut -d' ' -f1)
    [ -n "$at" ] || { echo -; return; }
    awk -v at="$(date -d "$at" +%s.%N)" -v now="$(date +%s.%N)" -v up="$(cut -d' ' -f1 /proc/uptime)" \
        'BEGIN { printf "%.1f", up - (now - at) }'
}
