use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The binary of a program whose crate isn't the test's own, so that cargo doesn't name it.
///
/// # Panics
///
/// Where it wasn't built, or something in its crate or in what all build on is newer: a test must not try an old program.
pub fn program(name: &str) -> PathBuf {
    let Ok(test) = std::env::current_exe() else { panic!("this test has no path") };
    let Some(folder) = test.parent().and_then(Path::parent) else {
        panic!("{} isn't cargo's", test.display())
    };
    let built = folder.join(name);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = [name, "waagent-common", "waagent-declaration", "waagent-http"]
        .map(|crate_name| newest(&workspace.join(crate_name).join("src")));
    let when = fs::metadata(&built).and_then(|meta| meta.modified()).ok();
    assert!(
        when.is_some_and(|when| sources.iter().all(|source| *source <= when)),
        "'{}' is missing or older than its sources: cargo build --package {name}, or cargo test --workspace",
        built.display()
    );
    built
}

fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let times = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        if meta.is_dir() { Some(newest(&entry.path())) } else { meta.modified().ok() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
