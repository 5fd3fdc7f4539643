//! The strings.

use super::table::{Form, Kind, Status, keys};
use Status::{Ignored, Ours, Used};

/// A string with its default.
const fn text(default: &'static str, form: Form) -> Kind {
    Kind::Text { default, form }
}

keys! {
    /// Keys whose value is a string.
    TextKey;
    AutoUpdateGaFamily, "AutoUpdate.GAFamily", text("Prod", Form::Any), "fetch", Used, "family of agent manifests that is reported";
    DvdMountPoint, "DVD.MountPoint", text("/mnt/cdrom/secure", Form::Any), "", Ignored("the DVD is read without a mount"),
        "where the DVD is mounted";
    ExtensionLogDir, "Extension.LogDir", text("/var/log/azure", Form::Path), "ext logs", Used, "folder of the extensions' logs";
    ExtensionsBadSignature, "Extensions.BadSignature", text("refuse", Form::Word(&["refuse", "warn"], "refuse")), "ext", Ours,
        "a package that isn't what was signed: refuse it, or warn and install it";
    ExtensionsSignatureTime, "Extensions.SignatureTime", text("unchecked", Form::Word(&["unchecked", "required"], "required")), "ext",
        Ours, "required: a package's signature without a time stamp is none";
    LibDir, "Lib.Dir", text("/var/lib/waagent", Form::Fixed), "all", Used, "folder of the agent; bind-mount it to move it";
    OsHomeDir, "OS.HomeDir", text("/home", Form::Path), "provision", Used, "what $HOME means in the paths of the DVD's keys";
    OsPasswordPath, "OS.PasswordPath", text("/etc/shadow", Form::Fixed), "provision deprovision", Used, "file of password hashes";
    OsSshDir, "OS.SshDir", text("/etc/ssh", Form::Path), "provision deprovision", Used, "folder of sshd's configuration and keys";
    OsSudoersDir, "OS.SudoersDir", text("/etc/sudoers.d", Form::Path), "provision deprovision", Used, "folder of sudo rules";
    OsOpensslPath, "OS.OpensslPath", text("/usr/bin/openssl", Form::Any), "certs", Ignored("libcrypto is linked, no tool is run"),
        "the openssl tool";
    PidFile, "Pid.File", text("/var/run/waagent.pid", Form::Any), "", Ignored("it is always /run/waagent.pid"), "pid of the agent";
    PolicyPolicyFilePath, "Policy.PolicyFilePath", text("/etc/waagent_policy.json", Form::Path), "ext", Used,
        "the extension policy";
    ProtocolEndpointDiscovery, "Protocol.EndpointDiscovery", text("dhcp", Form::Word(&["dhcp", "static"], "static")), "net", Used,
        "how the platform's server is found: dhcp, or static for 168.63.129.16";
    ProvisioningAgent, "Provisioning.Agent",
        text("auto", Form::Known(&["auto", "waagent", "cloud-init", "disabled"])), "provision media", Used,
        "who provisions: auto, waagent, cloud-init, disabled";
    ProvisioningPasswordCryptId, "Provisioning.PasswordCryptId",
        text("6", Form::Word(&["6", "5", "y", "gy", "2b", "7", "1", "2a"], "6")), "provision", Used,
        "method of password hashes, crypt(5); 1 and 2a only outside FIPS mode";
    ProvisioningSshHostKeyPairType, "Provisioning.SshHostKeyPairType", text("rsa", Form::KeyType), "provision", Used,
        "rsa, ecdsa, ed25519, or auto for all that ssh-keygen makes";
    ResourceDiskFilesystem, "ResourceDisk.Filesystem", text("ext4", Form::Any), "disk", Used, "file system of the resource disk";
    ResourceDiskMountPoint, "ResourceDisk.MountPoint", text("/mnt/resource", Form::Path), "disk", Used,
        "where the resource disk is mounted";
}

keys! {
    /// Keys whose value is a string or nothing.
    OptionalTextKey;
    ExtensionsSigningSubjects, "Extensions.SigningSubjects", Kind::OptionalText { form: Form::Any }, "ext", Ours,
        "organisations (O= of the certificate) that may sign packages, separated by semicolons; not set: all that have a trusted root";
    HttpProxyHost, "HttpProxy.Host", Kind::OptionalText { form: Form::Proxy }, "transfer", Used,
        "proxy for storage, never for the platform's server";
    ProtocolAllowedEndpoints, "Protocol.AllowedEndpoints", Kind::OptionalText { form: Form::Addresses }, "net gate transfer", Ours,
        "IPv4 addresses that may be the platform's server besides 168.63.129.16 (Azure Stack)";
    ResourceDiskMountOptions, "ResourceDisk.MountOptions", Kind::OptionalText { form: Form::Any }, "disk", Used,
        "options of the resource disk's mount";
}
