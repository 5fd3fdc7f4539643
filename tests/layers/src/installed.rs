use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{program_names, repository, tool};

/// All that is installed, below a scratch root; programs do nothing there.
pub struct Installed {
    scratch: TempDir,
}

impl Installed {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let programs = scratch.path().join("programs");
        fs::create_dir(&programs).unwrap();
        for name in program_names() {
            let program = programs.join(name);
            fs::write(&program, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let said = tool(&[
            "make",
            "--no-print-directory",
            "-s",
            "-C",
            repository().to_str().unwrap(),
            "install",
            "INSTALL_ONLY=1",
            &format!("DESTDIR={}", scratch.path().join("root").display()),
            &format!("BINARIES={}", programs.display()),
        ]);
        assert!(said.is_success, "{}", said.all);
        Self { scratch }
    }

    pub fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }
}
