//! The page on the architecture has the documents that there are.

use std::fs;
use std::path::Path;

use waagent_audit::architecture::{FILE, page, update};
use waagent_audit::reach::documents;

#[test]
fn the_committed_table_of_documents_is_that_of_the_catalogue() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let committed = fs::read_to_string(repository.join(FILE)).unwrap();
    assert_eq!(committed, page(&repository).unwrap(), "run 'make audit' and commit {FILE}");
    for entry in documents() {
        let path = entry.path.trim_start_matches("/var/lib/waagent/");
        assert!(committed.contains(&format!("| `{path}")), "{path}");
    }
}

#[test]
fn a_table_that_is_out_of_date_is_replaced_and_nothing_beside_it() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join(FILE);
    fs::create_dir(scratch.path().join("docs")).unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let good = fs::read_to_string(repository.join(FILE)).unwrap();
    fs::write(&file, good.replace("| `net/firewall.json` | net |", "| `net/firewall.json` | gate |"))
        .unwrap();
    update(scratch.path()).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), good);
    fs::write(&file, "# Without marks\n").unwrap();
    assert!(update(scratch.path()).unwrap_err().to_string().contains("no marks"));
}
