//! Test: `sql/expanded` holds every statement as it is sent, so that a review shows what a change of a fragment does. The test `plans` lets
//! the database parse each of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// If this variable is set, the files are written instead of compared.
const WRITE: &str = "OMNIQ_WRITE_EXPANDED";

#[test]
fn the_expanded_statements_are_those_that_are_sent() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sql/expanded");
    let write = std::env::var_os(WRITE).is_some();
    let mut names = BTreeSet::new();
    let mut differ = Vec::new();
    for sent in super::statements("omniq").unwrap() {
        let (name, text) = (&sent.name, sent.to_string());
        let file = folder.join(format!("{name}.sql"));
        if write {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        } else if std::fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
            differ.push(name.clone());
        }
        names.insert(format!("{name}.sql"));
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !names.contains(&name) {
            if write {
                std::fs::remove_file(folder.join(&name)).unwrap();
            }
            differ.push(name);
        }
    }
    assert!(
        write || differ.is_empty(),
        "{differ:?} in sql/expanded differ from what is sent: run the test with {WRITE}=1"
    );
}
