# The guest's user, from outside: logs in with the key of the deployment. Sourced by the drivers, whose arguments are
# BINARIES STATE SCENARIO REPOSITORY.
# shellcheck shell=bash
# shellcheck source=tests/chain/checks.sh
. "$4/tests/chain/checks.sh"
fabric=$1/waagent-fabric
key=$2/login.key
install -m 0600 "$2/certs/ssh-login.key" "$key"

password=$(sed -n 's/^password = "\(.*\)"/\1/p' "$3")

wait_for() { # UNTIL SECONDS
    "$fabric" wait --until "$1" --timeout "$2"
}

# One connection for all: each costs seconds under emulation.
options=(-q -i "$key" -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes
    -o ConnectTimeout=60 -o ServerAliveInterval=10 -o ControlPath="$2/login.ctl")

login() { # COMMAND...
    ssh "${options[@]}" -O check orchard@127.0.0.1 2>/dev/null ||
        ssh "${options[@]}" -M -N -f orchard@127.0.0.1 </dev/null >/dev/null 2>&1 || return
    # shellcheck disable=SC2029 # the command is the caller's
    ssh "${options[@]}" orchard@127.0.0.1 "$@"
}

# With a password, sudo asks for it. $terminal: it wants one to ask on, which then shows what was typed.
as_root() { # COMMAND...
    if [ -z "${terminal:-}" ]; then
        printf '%s\n' "$password" | login sudo -S -p "''" "$@"
    else
        printf '%s\n' "$password" | login -tt sudo -S -p "''" "$@" | tr -d '\r' | grep -vxF -e "$password" -e ''
    fi
}

# The guest's job goes on.
done_outside() {
    as_root touch /run/driver-is-done
    ssh "${options[@]}" -O exit orchard@127.0.0.1
}
