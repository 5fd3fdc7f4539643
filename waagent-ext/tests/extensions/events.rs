//! Folders of events: nobody takes what is in them yet, and they don't grow for ever.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::resident::Resident;
use crate::stage::{GOOD, Handler, Stage, text};

/// Makes the files that are missing, the newest with the highest number.
fn fill(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        fs::write(folder.join(format!("{:019}.json", 17_000_000 + number)), "{}").unwrap();
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn the_newest_events_stay_and_no_more_than_the_folders_bounds() {
    let stage = Stage::new();
    let handler = Handler::new("Test.Good", GOOD);
    stage.offer(&handler);
    let own = stage.root.path("/var/log/azure/Test.Good/events");
    let shared = stage.root.state_path("events");
    let big = stage.root.path("/var/log/azure/Test.Big/events");
    let elsewhere = stage.root.path("/var/log/elsewhere");
    fill(&own, 2005);
    fill(&shared, 1003);
    fill(&big, 3);
    fs::File::create(big.join("0017000002.json")).unwrap().set_len(65 << 20).unwrap();
    fill(&elsewhere, 2005);
    fs::create_dir_all(stage.root.path("/var/log/azure/Test.Link")).unwrap();
    symlink(&elsewhere, stage.root.path("/var/log/azure/Test.Link/events")).unwrap();
    stage.goal(1, vec![handler.extension()]);
    let said = text(&stage.plan());
    stage.run_waiting();
    stage.settle();
    assert_eq!((count(&own), count(&shared), count(&big)), (2000, 1000, 3), "{said}");
    assert!(!big.join("0017000002.json").exists());
    assert!(own.join("0000000000017002004.json").exists() && !own.join("0000000000017000004.json").exists());
    assert_eq!(count(&elsewhere), 2005, "no link is followed");
    // The resident program looks at its start, and from time to time.
    fill(&own, 2002);
    Resident::start(&stage, 0).stop();
    assert_eq!(count(&own), 2000);
}
