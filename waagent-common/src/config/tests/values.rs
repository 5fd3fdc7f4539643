use super::*;

#[test]
fn each_form_of_a_value_means_what_it_means_to_the_python_agent_and_bad_ones_are_named() {
    for (line, shown, remark) in FORMS {
        let config = load(line);
        let name = line.split('=').next().unwrap().trim();
        assert!(
            config.show().lines().any(|row| row == format!("{name} = {shown}")),
            "'{line}': {}",
            config.show()
        );
        match remark {
            None => assert_eq!(texts(&config), "", "'{line}'"),
            Some(remark) => {
                assert_eq!(config.warnings().len(), 1, "'{line}': {}", texts(&config));
                assert!(texts(&config).contains(remark), "'{line}': {}", texts(&config));
                assert!(texts(&config).contains("etc/waagent.conf:1: "), "'{line}': {}", texts(&config));
            }
        }
    }
}

#[test]
fn every_switch_takes_y_and_n_and_names_a_bad_value() {
    for key in SwitchKey::ALL {
        let name = key.row().name;
        let Kind::Switch { default, closed } = key.row().kind else { panic!("{name} is no switch") };
        assert!(load(format!("{name}=y")).switch(*key), "{name}");
        assert!(!load(format!("{name}=n")).switch(*key), "{name}");
        assert_eq!(load("Some.Key=y").switch(*key), default, "{name}");
        let bad = load(format!("{name}=maybe"));
        assert_eq!(bad.switch(*key), closed.unwrap_or(default), "{name}");
        let severity = if closed.is_some() { Severity::Error } else { Severity::Warning };
        assert!(
            bad.warnings().iter().any(|warning| warning.severity == severity && warning.text.contains(name))
        );
    }
}

#[test]
fn every_number_keeps_its_range_and_its_default() {
    for key in IntegerKey::ALL {
        let name = key.row().name;
        let Kind::Integer { default, least, most } = key.row().kind else { panic!("{name} is no number") };
        assert!((least..=most).contains(&default), "{name}");
        assert_eq!(load(format!("{name}={least}")).integer(*key), least, "{name}");
        assert_eq!(load(format!("{name}={most}")).integer(*key), most, "{name}");
        assert_eq!(load(format!("{name}=x")).integer(*key), default, "{name}");
    }
    for key in OptionalIntegerKey::ALL {
        let name = key.row().name;
        let Kind::OptionalInteger { default, least, most } = key.row().kind else {
            panic!("{name} is no number")
        };
        assert_eq!(load(format!("{name}={least}")).optional_integer(*key), Some(least), "{name}");
        assert_eq!(load(format!("{name}={most}")).optional_integer(*key), Some(most), "{name}");
        assert_eq!(load("Some.Key=1").optional_integer(*key), default, "{name}");
        assert_eq!(load(format!("{name}=None")).optional_integer(*key), None, "{name}");
    }
}

#[test]
fn every_string_has_a_default_that_it_accepts() {
    for key in TextKey::ALL {
        let name = key.row().name;
        let Kind::Text { default, .. } = key.row().kind else { panic!("{name} is no string") };
        let config = load(format!("{name}={default}"));
        assert_eq!(config.text(*key), default, "{name}");
        assert_eq!(texts(&config), "", "{name}");
        assert_eq!(load(format!("{name}=None")).text(*key), default, "{name}");
    }
    for key in OptionalTextKey::ALL {
        assert!(matches!(key.row().kind, Kind::OptionalText { .. }), "{}", key.row().name);
        assert_eq!(load(format!("{}=None", key.row().name)).optional_text(*key), None);
    }
}

#[test]
fn bad_values_of_protective_switches_close_even_over_an_earlier_good_line() {
    for (name, key, closed) in [
        ("OS.EnableFirewall", SwitchKey::OsEnableFirewall, true),
        ("Debug.EnableExtensionPolicy", SwitchKey::DebugEnableExtensionPolicy, true),
        ("Debug.EnableSignatureValidation", SwitchKey::DebugEnableSignatureValidation, true),
        ("Sandbox.Required", SwitchKey::SandboxRequired, true),
        ("Extensions.Enabled", SwitchKey::ExtensionsEnabled, false),
        ("Provisioning.ExecuteCustomData", SwitchKey::ProvisioningExecuteCustomData, false),
        ("Provisioning.AllowResetSysUser", SwitchKey::ProvisioningAllowResetSysUser, false),
        ("OS.AllowHTTP", SwitchKey::OsAllowHttp, false),
    ] {
        let open = if closed { "n" } else { "y" };
        for bad in ["yes", "true", "1", "", "\u{7f}y"] {
            let config = load(format!("{name}={open}\n{name}={bad}\n"));
            assert_eq!(config.switch(key), closed, "{name}={bad}");
            assert!(
                config.warnings().iter().any(|warning| warning.severity == Severity::Error),
                "{name}={bad}"
            );
        }
        assert_eq!(load(format!("{name}=bad\n{name}={open}\n")).switch(key), !closed);
    }
}

#[test]
fn names_unknown_removed_and_repeated_keys_with_their_lines() {
    let config = load(
        "ResourceDisk.FileSystem=xfs\nLBProbeResponder=y\nRole.StateConsumer=None\nRole.TopologyConsumer=/bin/x\n\
         Provisioning.Enabled=n\nLogs.Verbose=y\nLogs.Verbose=n\nno equals sign\n  # indented comment = 1\n\u{feff}X=1\n",
    );
    let texts = texts(&config);
    for part in [
        "Warning",
        "waagent.conf:1: there is no key 'ResourceDisk.FileSystem' (did you mean ResourceDisk.Filesystem?), ignoring",
        "Info",
        "waagent.conf:2: LBProbeResponder has no effect: classic cloud services are gone; no port is opened, ignoring",
        "waagent.conf:4: Role.TopologyConsumer has no effect",
        "waagent.conf:5: Provisioning.Enabled has no effect: removed in 2.2.45; use Provisioning.Agent=disabled",
        "waagent.conf:7: Logs.Verbose is set in line 6 too, using this one",
        "waagent.conf:8: cannot read the line: it holds no '=', ignoring",
        "waagent.conf:10: there is no key",
    ] {
        assert!(texts.contains(part), "no '{part}' in\n{texts}");
    }
    assert_eq!(config.warnings().len(), 7, "{texts}");
    assert!(!config.switch(SwitchKey::LogsVerbose));
}

#[test]
fn a_bad_mount_point_means_that_nothing_is_mounted() {
    let config = load("ResourceDisk.Format=y\nResourceDisk.MountPoint=mnt\n");
    assert!(!config.switch(SwitchKey::ResourceDiskFormat));
    assert!(texts(&config).contains("using ResourceDisk.Format=n"));
    assert!(
        load("ResourceDisk.Format=y\nResourceDisk.MountPoint=/mnt\n").switch(SwitchKey::ResourceDiskFormat)
    );
}

#[test]
fn keys_that_the_sandbox_has_fixed_stop_the_agent() {
    for (line, path) in
        [("Lib.Dir=/data/waagent", "/var/lib/waagent"), ("OS.PasswordPath=/etc/passwd2", "/etc/shadow")]
    {
        let text = refusal(root_with(line).path());
        assert!(text.contains(line.split('=').next().unwrap()) && text.contains(path), "{text}");
    }
}

#[test]
fn credentials_of_a_proxy_are_never_kept_or_told() {
    let config = load("HttpProxy.Host=http://user:s3cr3t@proxy:8080\n");
    assert_eq!(config.optional_text(OptionalTextKey::HttpProxyHost), Some("***@proxy:8080"));
    assert!(texts(&config).contains("a proxy with credentials is not supported"));
    let told = format!("{}{}{config:?}", texts(&config), config.show());
    assert!(!told.contains("s3cr3t"), "{told}");
}

/// A line, what is shown for it, and the remark on it, if any.
const FORMS: &[(&str, &str, Option<&str>)] = &[
    ("Logs.Console=n", "False", None),
    ("Logs.Console=N", "False", None),
    ("Logs.Console = \"n\"  # why", "False", None),
    (" Logs.Console =n\r", "False", None),
    ("Logs.Console=\"n\"\r", "False", None),
    ("Logs.Console=\"n\"\t", "False", None),
    ("Logs.Console=None", "True", None),
    ("Logs.Console=\"None\"", "True", None),
    ("Logs.Console=false", "True", Some("Logs.Console='false': write y or n, using y")),
    ("Logs.Console=", "True", Some("Logs.Console='': write y or n, using y")),
    ("Logs.Console=none", "True", Some("write y or n, using y")),
    ("Logs.Console='n'", "True", Some("write y or n, using y")),
    ("Logs.Console=n#", "False", None),
    ("Extensions.GoalStatePeriod=007", "7", None),
    ("Extensions.GoalStatePeriod=+1_0", "10", None),
    ("Extensions.GoalStatePeriod=0", "1", Some("write a whole number from 1 to 3600, using 1")),
    ("Extensions.GoalStatePeriod=-5", "1", Some("using 1")),
    ("Extensions.GoalStatePeriod=99999999999999999999999", "3600", Some("using 3600")),
    ("Extensions.GoalStatePeriod=0x10", "6", Some("='0x10': write a whole number from 1 to 3600, using 6")),
    ("Extensions.GoalStatePeriod=1.5", "6", Some("using 6")),
    ("Extensions.GoalStatePeriod=1__0", "6", Some("using 6")),
    ("Extensions.GoalStatePeriod=_1", "6", Some("using 6")),
    ("Extensions.GoalStatePeriod=1e3", "6", Some("using 6")),
    ("Extensions.GoalStatePeriod=", "6", Some("using 6")),
    ("Extensions.GoalStatePeriod=-", "6", Some("using 6")),
    ("OS.RootDeviceScsiTimeout=None", "None", None),
    ("OS.RootDeviceScsiTimeout=300 # seconds", "300", None),
    ("OS.RootDeviceScsiTimeout=abc", "300", Some("using 300")),
    ("HttpProxy.Port=70000", "65535", Some("using 65535")),
    ("ResourceDisk.MountOptions=a=b,c=d", "a=b,c=d", None),
    ("ResourceDisk.MountOptions=\"a b\"", "a b", None),
    ("ResourceDisk.MountOptions=\"a#b\"", "a", None),
    ("Provisioning.Agent=cloud-init", "cloud-init", None),
    ("Provisioning.Agent=cloudinit", "cloudinit", Some("taken for disabled, using 'cloudinit'")),
    ("Protocol.EndpointDiscovery=none", "static", Some("write one of dhcp, static, using 'static'")),
    ("Provisioning.PasswordCryptId=9", "6", Some("using '6'")),
    ("Provisioning.SshHostKeyPairType=dsa", "rsa", Some("OpenSSH dropped dsa")),
    ("Provisioning.SshHostKeyPairType=../../x", "rsa", Some("using 'rsa'")),
    ("OS.SshDir=etc/ssh", "/etc/ssh", Some("write an absolute path without '..', using '/etc/ssh'")),
    ("OS.SshDir=/etc/../ssh", "/etc/ssh", Some("using '/etc/ssh'")),
    ("OS.SshDir=/srv/ssh/", "/srv/ssh", None),
    ("Protocol.AllowedEndpoints=10.0.0.1, 10.0.0.2", "10.0.0.1, 10.0.0.2", None),
    ("Protocol.AllowedEndpoints=10.0.0.1,wire.server", "None", Some("write up to 8 IPv4 addresses")),
    ("Protocol.AllowedEndpoints=255.255.255.255", "None", Some("using None")),
    ("OS.AllowHTTP=y", "True", None),
];
