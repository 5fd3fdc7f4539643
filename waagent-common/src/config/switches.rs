//! The switches (`y`, `n`).

use super::table::{Kind, Status, keys};
use Status::{HiddenIgnored, Ignored, Ours, Used};

/// A bad value is the default.
const fn switch(default: bool) -> Kind {
    Kind::Switch { default, closed: None }
}

/// A bad value is `closed`, the side that doesn't weaken the machine.
const fn guarded(default: bool, closed: bool) -> Kind {
    Kind::Switch { default, closed: Some(closed) }
}

keys! {
    /// Keys whose value is `y` or `n`.
    SwitchKey;
    AutoUpdateEnabled, "AutoUpdate.Enabled", switch(true), "fetch", Ignored(PACKAGED), "whether the agent updates itself";
    AutoUpdateUpdateToLatestVersion, "AutoUpdate.UpdateToLatestVersion", switch(true), "fetch", Ignored(PACKAGED),
        "the same, newer name; where it is not set: AutoUpdate.Enabled";
    CgroupsEnabled, "CGroups.Enabled", switch(true), "", HiddenIgnored(UNITS), "resource accounting";
    DebugCgroupDisableOnProcessCheckFailure, "Debug.CgroupDisableOnProcessCheckFailure", switch(true), "", Ignored(UNITS),
        "give up limits when a foreign process is in the agent's cgroup";
    DebugCgroupDisableOnQuotaCheckFailure, "Debug.CgroupDisableOnQuotaCheckFailure", switch(true), "", Ignored(UNITS),
        "give up limits when throttled for too long";
    DebugCgroupLogMetrics, "Debug.CgroupLogMetrics", switch(false), "fetch", Ignored(NOT_BUILT), "resource metrics also to the log";
    DebugEnableAgentMemoryUsageCheck, "Debug.EnableAgentMemoryUsageCheck", switch(false), "", Ignored(UNITS),
        "the agent watches its own memory";
    DebugEnableCgroupV2ResourceLimiting, "Debug.EnableCgroupV2ResourceLimiting", switch(true), "logs", Ignored(NOT_BUILT),
        "n: no periodic log collection on cgroup v2; the slice limits it always";
    DebugEnableExtensionPolicy, "Debug.EnableExtensionPolicy", guarded(false, true), "ext", Used,
        "enforce the extension policy file";
    DebugEnableFastTrack, "Debug.EnableFastTrack", switch(true), "fetch", Used,
        "take extension goal states from the HostGAPlugin as well";
    DebugEnableGaVersioning, "Debug.EnableGAVersioning", switch(true), "fetch", Ignored(PACKAGED),
        "the platform may ask for an agent version";
    DebugEnableRsmDowngrade, "Debug.EnableRsmDowngrade", switch(false), "", HiddenIgnored(PACKAGED),
        "the platform may ask for an older agent version";
    DebugEnableSignatureValidation, "Debug.EnableSignatureValidation", guarded(false, true), "ext", Used,
        "refuse extension packages without a valid signature";
    DetectScvmmEnv, "DetectScvmmEnv", switch(false), "media", Ignored(NOT_BUILT), "look for System Center's agent on the DVD";
    EnableOverProvisioning, "EnableOverProvisioning", switch(true), "ext", Used,
        "scale sets: process no extension while the platform holds the machine back";
    ExtensionsEnabled, "Extensions.Enabled", guarded(true, false), "ext fetch", Used, "process extensions";
    ExtensionsExecMount, "Extensions.ExecMount", switch(false), "ext", Ours,
        "/var is noexec: bind /var/lib/waagent on itself with exec, nosuid and nodev";
    ExtensionsWaitForCloudInit, "Extensions.WaitForCloudInit", switch(false), "ext", Ignored(NOT_BUILT),
        "wait for cloud-init before the first extension";
    LogsCollect, "Logs.Collect", switch(true), "logs fetch", Ignored(NOT_BUILT), "collect diagnostic logs for the platform";
    LogsConsole, "Logs.Console", switch(true), "provision", Used, "log to /dev/console until the machine is provisioned";
    LogsVerbose, "Logs.Verbose", switch(false), "all", Used, "log what a developer wants to know";
    MonitorNetworkConfigurationChanges, "Monitor.NetworkConfigurationChanges", switch(false), "net", HiddenIgnored(NOT_BUILT),
        "log changes of the network configuration";
    OsAllowHttp, "OS.AllowHTTP", guarded(false, false), "fetch transfer", Used, "storage may be asked by plain HTTP (private clouds, test stands)";
    OsCheckRdmaDriver, "OS.CheckRdmaDriver", switch(true), "", Ignored(NO_DRIVERS), "check the version of the RDMA driver";
    OsEnableFips, "OS.EnableFIPS", switch(false), "all", Used,
        "OPENSSL_FIPS=1 for extensions; our programs follow the system";
    OsEnableFirewall, "OS.EnableFirewall", guarded(true, true), "net", Used, "only uid 0 may connect to the platform's server";
    OsEnableRdma, "OS.EnableRDMA", switch(false), "net", Ignored(NOT_BUILT), "set the address of InfiniBand devices";
    OsUpdateRdmaDriver, "OS.UpdateRdmaDriver", switch(false), "", Ignored(NO_DRIVERS), "install RDMA drivers";
    ProvisioningAllowResetSysUser, "Provisioning.AllowResetSysUser", guarded(false, false), "provision", Used,
        "a password may be set for a system user";
    ProvisioningDecodeCustomData, "Provisioning.DecodeCustomData", switch(false), "provision", Used,
        "decode custom data from base64";
    ProvisioningDeleteRootPassword, "Provisioning.DeleteRootPassword", switch(true), "provision deprovision", Used,
        "lock root's password";
    ProvisioningExecuteCustomData, "Provisioning.ExecuteCustomData", guarded(false, false), "provision", Used,
        "decode custom data and run it once, as root";
    ProvisioningMonitorHostName, "Provisioning.MonitorHostName", switch(true), "net", Ignored(NOT_BUILT),
        "publish a changed host name to DNS";
    ProvisioningRegenerateSshHostKeyPair, "Provisioning.RegenerateSshHostKeyPair", switch(true), "provision deprovision", Used,
        "delete the SSH host keys of the image and make new ones";
    ProvisioningUseImds, "Provisioning.UseImds", switch(false), "provision fetch", HiddenIgnored(NOT_BUILT),
        "without a DVD: take user name and keys from the metadata service, which is weaker";
    ResourceDiskEnableSwap, "ResourceDisk.EnableSwap", switch(false), "disk", Used, "make a swap file on the resource disk";
    ResourceDiskEnableSwapEncryption, "ResourceDisk.EnableSwapEncryption", guarded(false, true), "disk", Used,
        "FreeBSD only; y: no swap is made, since it would not be encrypted";
    ResourceDiskFormat, "ResourceDisk.Format", switch(false), "disk", Used, "format and mount the resource disk";
    SandboxRequired, "Sandbox.Required", guarded(true, true), "all", Ours,
        "refuse to work below the declared confinement where the kernel could give it";
}

const PACKAGED: &str = "updates come with the package";
const UNITS: &str = "accounting and limits are in the systemd units; use systemctl edit";
/// Also a number of the same feature.
pub(super) const NOT_BUILT: &str = "this version doesn't do it";
const NO_DRIVERS: &str = "drivers come with the distribution";
