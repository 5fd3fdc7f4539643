# What every confined service says, and which have nothing to compare with.
# shellcheck shell=bash

# What every confined service says.
baseline() {
    sed '/^$/d' <<'TABLE'
DevicePolicy=closed
IPAddressDeny=any
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
PrivateNetwork=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
UMask=0077
TABLE
}

# Services without a declaration to compare with, and why.
without_policy() { # UNIT
    case $1 in
        waagent.service) echo "prints the version and ends" ;;
        waagent-ext-run@.service) echo "unconfined by promise; see the check of its own" ;;
        waagent-customdata.service) echo "unconfined by promise; see the check of its own" ;;
        *) return 1 ;;
    esac
}
