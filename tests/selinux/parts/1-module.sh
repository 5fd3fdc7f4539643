# The module compiles and loads
# shellcheck shell=bash disable=SC2034,SC2154

check "a view of the guest's file system" make_view
if [ -e "${LINKED:-}/policy" ]; then
    check "the module as it was linked before" take_linked "$LINKED"
else
    check "the module compiles without a warning" compile_module
    check "the probe of the distribution's own grants compiles" compile_probe
    check "the module loads into the guest's policy" link_modules
    [ "$failed" != 0 ] || check "seinfo and sesearch read the policy" dump_policy
    [ "$failed" != 0 ] || [ -z "${LINKED:-}" ] || keep_linked "$LINKED"
fi
[ "$failed" = 0 ] || { finish selinux; exit 1; }
