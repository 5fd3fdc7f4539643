# The guest's user, from outside: logs in with the key of the deployment. Sourced by the drivers, whose arguments are
# BINARIES STATE REPOSITORY.
# shellcheck shell=bash
. "$3/tests/chain/checks.sh"
fabric=$1/waagent-fabric
key=$2/login.key
install -m 0600 "$2/certs/ssh-login.key" "$key"

wait_for() { # UNTIL SECONDS
    "$fabric" wait --until "$1" --timeout "$2"
}

login() { # COMMAND...
    ssh -q -i "$key" -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
        -o ConnectTimeout=20 orchard@127.0.0.1 "$@"
}

# The guest's job goes on.
done_outside() { login sudo -n touch /run/driver-is-done; }
