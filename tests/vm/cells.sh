# What was tried, and what refused it: the files in $folder hold "<act> <verdict>" for each act. Sourced by verdicts, acts.
# shellcheck shell=bash

# of FILE ACT: yes, or the name of an error.
of() { sed -n "s/^$2 //p" "${folder:?}/$1" | head -n 1; }

# What stops PROGRAM from ACT, each layer by itself: s SELinux, u the unit (and user, and file modes), p the program's own
# sandbox; f the host firewall, which answers with silence those who aren't root. "..." is granted.
cell() {
    local selinux unit own
    selinux=$(of "$1" "$2")
    unit=$(of "$1-unit" "$2")
    own=$(of "$1-own" "$2")
    if [ -z "$selinux" ] || [ -z "$unit" ] || [ -z "$own" ]; then
        echo missing
        return
    fi
    case $selinux in yes) printf . ;; EACCES | EPERM) printf s ;; ALRM) printf f ;; *) printf '%s?' "$selinux" ;; esac
    case $unit in yes) printf . ;; *) printf u ;; esac
    case $selinux:$own in *:yes | ALRM:ALRM) printf . ;; *) printf p ;; esac
}
