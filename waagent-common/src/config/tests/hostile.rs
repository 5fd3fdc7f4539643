use super::*;

#[test]
fn damage_in_a_comment_is_nothing_and_in_a_used_line_that_line_is_ignored() {
    let config = load(b"# caf\xe9 \x00 \x1b[31m\nLogs.Verbose=y\n");
    assert!(config.switch(SwitchKey::LogsVerbose));
    assert_eq!(texts(&config), "");

    let config = load(b"Logs.Verbose=y\nLogs.Verbose=n\xff\nExtensions.MaxPackageMB=40\x000\nX\xff=1\n");
    assert!(config.switch(SwitchKey::LogsVerbose));
    assert_eq!(config.integer(IntegerKey::ExtensionsMaxPackageMb), 1024);
    let texts = texts(&config);
    assert!(
        texts.contains("waagent.conf:2: cannot read the line of Logs.Verbose: it is not UTF-8, ignoring"),
        "{texts}"
    );
    assert!(texts.contains(
        "waagent.conf:3: cannot read the line of Extensions.MaxPackageMB: it holds a control character"
    ));
    assert!(texts.contains("waagent.conf:4: cannot read the line: it is not UTF-8, ignoring"), "{texts}");
}

#[test]
fn a_damaged_line_of_a_protective_switch_closes() {
    let config = load(b"OS.EnableFirewall=n\nOS.EnableFirewall=n\xff\n");
    assert!(config.switch(SwitchKey::OsEnableFirewall));
    assert!(texts(&config).contains("cannot read the line of OS.EnableFirewall: it is not UTF-8, using y"));
}

#[test]
fn takes_a_byte_order_mark_windows_line_ends_and_a_missing_last_newline() {
    let config =
        load("\u{feff}Logs.Verbose=y\r\nExtensions.GoalStatePeriod=\"8\"\r\n\r\nExtensions.MaxPackageMB=600");
    assert!(config.switch(SwitchKey::LogsVerbose));
    assert_eq!(config.integer(IntegerKey::ExtensionsGoalStatePeriod), 8);
    assert_eq!(config.integer(IntegerKey::ExtensionsMaxPackageMb), 600);
    assert_eq!(texts(&config), "");
}

#[test]
fn refuses_a_file_over_1_mib_and_takes_one_of_1_mib() {
    let mut text = b"Logs.Verbose=y\n".to_vec();
    text.resize(1 << 20, b'#');
    let root = root_with(&text);
    assert!(Config::load(root.path(), None).is_ok());
    text.resize(2 << 20, b'#');
    let text = refusal(root_with(&text).path());
    assert!(text.contains("etc/waagent.conf': over 1 MiB"), "{text}");
}

#[test]
fn refuses_what_is_no_regular_file_at_once() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("etc/waagent.conf");
    fs::create_dir_all(&file).unwrap();
    assert!(refusal(root.path()).contains("not a regular file"));
    fs::remove_dir(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(refusal(root.path()).contains("not a regular file"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    assert!(refusal(root.path()).contains("not a regular file"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("waagent.conf", &file).unwrap();
    assert!(refusal(root.path()).contains("cannot read"));
    fs::remove_file(&file).unwrap();
    fs::write(root.path().join("etc/real.conf"), "Logs.Verbose=y\n").unwrap();
    std::os::unix::fs::symlink("real.conf", &file).unwrap();
    assert!(Config::load(root.path(), None).unwrap().switch(SwitchKey::LogsVerbose));
}

/// Only as root another user can be played, by the thread's file system identity.
#[test]
fn an_unreadable_file_is_an_error_that_names_mode_and_remedy() {
    if !waagent_untested::is_root("to play another user") {
        return; // the owner reads his own file whatever its mode says, once chmod(1) has been tried
    }
    let root = root_with("Logs.Verbose=y\n");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = root.path().join("etc/waagent.conf");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let nobody = nix::unistd::Uid::from_raw(65534);
    let refused = std::thread::spawn({
        let root = root.path().to_owned();
        move || {
            nix::unistd::setfsuid(nobody);
            Config::load(&root, None).map(drop).map_err(|error| error.to_string())
        }
    });
    let text = refused.join().unwrap().unwrap_err();
    assert!(text.contains("its mode is 0600"), "{text}");
    assert!(text.contains(&format!("chmod 0644 {}", file.display())), "{text}");
    assert!(Config::load(root.path(), None).is_ok());
}

#[test]
fn a_million_bad_lines_are_counted_and_not_told() {
    let config = load("a\n".repeat(500_000));
    assert_eq!(config.warnings().len(), 101);
    assert!(texts(&config).contains("499900 more lines of the configuration are wrong, ignoring"));
    let config = load("Logs.Verbos=y\n".repeat(70_000));
    assert_eq!(config.warnings().len(), 101);
}

#[test]
fn a_value_over_4096_bytes_is_cut_in_the_remark_and_not_used() {
    let config = load(format!("ResourceDisk.Filesystem={}\nX\u{1b}[2J=1\n", "x".repeat(5000)));
    assert_eq!(config.text(TextKey::ResourceDiskFilesystem), "ext4");
    assert!(config.warnings().iter().all(|warning| warning.text.len() < 400));
    assert!(!texts(&config).contains('\u{1b}'));
}
