# The module compiles and loads
# shellcheck shell=bash

check "a view of the guest's file system" make_view
check "the module compiles without a warning" compile_module
check "the probe of the distribution's own grants compiles" compile_probe
check "the module loads into the guest's policy" link_modules
[ "$failed" = 0 ] || { finish selinux; exit 1; }
check "seinfo and sesearch read the policy" dump_policy
