# The guest's user, from outside: logs in with the key of the deployment. Sourced by the drivers, whose arguments are
# BINARIES STATE SCENARIO REPOSITORY.
# shellcheck shell=bash
. "$4/tests/chain/checks.sh"
fabric=$1/waagent-fabric
key=$2/login.key
install -m 0600 "$2/certs/ssh-login.key" "$key"

password=$(sed -n 's/^password = "\(.*\)"/\1/p' "$3")

wait_for() { # UNTIL SECONDS
    "$fabric" wait --until "$1" --timeout "$2"
}

login() { # COMMAND...
    ssh -q -i "$key" -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
        -o ConnectTimeout=20 orchard@127.0.0.1 "$@"
}

# With a password, sudo asks for it.
as_root() { # COMMAND...
    printf '%s\n' "$password" | login sudo -S -p "''" "$@"
}

# The guest's job goes on.
done_outside() { as_root touch /run/driver-is-done; }
