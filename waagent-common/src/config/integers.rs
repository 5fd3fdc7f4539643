//! The numbers.

use super::switches::NOT_BUILT;
use super::table::{Kind, Status, keys};
use Status::{HiddenIgnored, Ignored, Ours, Used};

/// A number with its default and range.
const fn number(default: u64, least: u64, most: u64) -> Kind {
    Kind::Integer { default, least, most }
}

/// Seconds, one to a day.
const fn period(default: u64) -> Kind {
    number(default, 1, DAY)
}

keys! {
    /// Keys whose value is a number.
    IntegerKey;
    AutoupdateFrequency, "Autoupdate.Frequency", period(3600), "", Ignored(PACKAGED), "seconds between two looks for a new agent";
    DebugAgentCpuQuota, "Debug.AgentCpuQuota", number(50, 1, 6400), "", Ignored(UNITS), "percent of one processor";
    DebugAgentCpuThrottledTimeThreshold, "Debug.AgentCpuThrottledTimeThreshold", period(120), "", Ignored(UNITS), "seconds";
    DebugAgentMemoryQuota, "Debug.AgentMemoryQuota", number(31_457_280, 1, u64::MAX), "", Ignored(UNITS), "bytes";
    DebugAutoUpdateHotfixFrequency, "Debug.AutoUpdateHotfixFrequency", period(14_400), "", Ignored(PACKAGED), "seconds";
    DebugAutoUpdateNormalFrequency, "Debug.AutoUpdateNormalFrequency", period(DAY), "", Ignored(PACKAGED), "seconds";
    DebugCgroupCheckPeriod, "Debug.CgroupCheckPeriod", period(300), "fetch", Ignored(NOT_BUILT), "seconds between two resource metrics";
    DebugEtpCollectionPeriod, "Debug.EtpCollectionPeriod", number(300, 10, DAY), "ext fetch", Ignored(NOT_BUILT),
        "seconds between two collections of extension telemetry";
    DebugFirewallRulesLogPeriod, "Debug.FirewallRulesLogPeriod", period(DAY), "net", Ignored(NOT_BUILT),
        "seconds between two logs of the firewall rules";
    DebugLogCollectorInitialDelay, "Debug.LogCollectorInitialDelay", number(300, 0, DAY), "logs", Ignored(NOT_BUILT),
        "seconds from the start to the first log collection";
    DebugSelfUpdateHotfixFrequency, "Debug.SelfUpdateHotfixFrequency", period(14_400), "", HiddenIgnored(PACKAGED), "seconds";
    DebugSelfUpdateRegularFrequency, "Debug.SelfUpdateRegularFrequency", period(DAY), "", HiddenIgnored(PACKAGED), "seconds";
    ExtensionsGoalStatePeriod, "Extensions.GoalStatePeriod", number(6, 1, 3600), "fetch", Used,
        "seconds between two looks for a new goal state";
    ExtensionsInitialGoalStatePeriod, "Extensions.InitialGoalStatePeriod", number(6, 1, 3600), "fetch", Used,
        "the same until the first goal state is done; where it is not set: Extensions.GoalStatePeriod";
    ExtensionsMaxPackageMb, "Extensions.MaxPackageMB", number(1024, 1, 65_536), "ext fetch", Ours, "MiB, largest package";
    ExtensionsMaxUnpackedMb, "Extensions.MaxUnpackedMB", number(4096, 1, 262_144), "ext", Ours, "MiB, largest package unpacked";
    ExtensionsWaitForCloudInitTimeout, "Extensions.WaitForCloudInitTimeout", period(3600), "ext", Ignored(NOT_BUILT),
        "seconds to wait for cloud-init";
    LogsCollectPeriod, "Logs.CollectPeriod", number(3600, 300, 604_800), "logs", Ignored(NOT_BUILT), "seconds between two log collections";
    OsEnableFirewallPeriod, "OS.EnableFirewallPeriod", period(30), "net", Ignored(EVENTS), "seconds between two looks at the firewall";
    OsMonitorDhcpClientRestartPeriod, "OS.MonitorDhcpClientRestartPeriod", period(30), "net", Ignored(NOT_BUILT),
        "seconds between two looks at the DHCP client";
    OsRemovePersistentNetRulesPeriod, "OS.RemovePersistentNetRulesPeriod", period(30), "net", Ignored(NO_NAMES),
        "seconds between two looks for persistent network names";
    OsRootDeviceScsiTimeoutPeriod, "OS.RootDeviceScsiTimeoutPeriod", period(30), "disk", Ignored(EVENTS),
        "seconds between two looks at the SCSI timeouts";
    OsSshClientAliveInterval, "OS.SshClientAliveInterval", number(180, 0, DAY), "provision", Used,
        "seconds, ClientAliveInterval of sshd; 0 is off";
    ProvisioningMonitorHostNamePeriod, "Provisioning.MonitorHostNamePeriod", period(30), "net", Ignored(NOT_BUILT),
        "seconds between two looks at the host name";
    ProvisioningPasswordCryptSaltLength, "Provisioning.PasswordCryptSaltLength", number(10, 8, 16), "provision", Used,
        "characters of a password's salt";
    ResourceDiskSwapSizeMb, "ResourceDisk.SwapSizeMB", number(0, 0, 16_777_216), "disk", Used, "MiB of swap";
}

keys! {
    /// Keys whose value is a number or nothing.
    OptionalIntegerKey;
    HttpProxyPort, "HttpProxy.Port", Kind::OptionalInteger { default: None, least: 1, most: 65_535 }, "transfer", Used,
        "port of the proxy; where it is not set: that of HttpProxy.Host, or 80";
    OsRootDeviceScsiTimeout, "OS.RootDeviceScsiTimeout", Kind::OptionalInteger { default: Some(300), least: 1, most: DAY }, "disk", Used,
        "seconds, timeout of SCSI disks";
}

/// Seconds.
const DAY: u64 = 86_400;
const PACKAGED: &str = "updates come with the package";
const EVENTS: &str = "it is done when something changes, not by the clock";
const NO_NAMES: &str = "udev writes no such rules since systemd 209";
const UNITS: &str = "limits are in the systemd units; use systemctl edit";
