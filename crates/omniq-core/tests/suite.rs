//! The suite's lists are complete: every behaviour in the source is run.

use std::fs;
use std::path::Path;

#[test]
fn every_behaviour_is_in_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let list = fs::read_to_string(root.join("macros.rs")).unwrap();
    let mut written = 0;
    for part in ["queue", "results", "events", "schedules"] {
        for file in fs::read_dir(root.join(part)).unwrap() {
            let path = file.unwrap().path();
            let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
            // The behaviours of a module of several files are in its `mod.rs`.
            let path = if path.is_dir() { path.join("mod.rs") } else { path };
            for line in fs::read_to_string(&path).unwrap().lines() {
                let Some(rest) = line.strip_prefix("pub async fn c") else { continue };
                let name = &rest[..rest.find('(').unwrap()];
                let entry = format!(" {module}::c{name},");
                assert!(list.contains(&entry), "{} is missing in macros.rs: {entry}", path.display());
                written += 1;
            }
        }
    }
    let listed = list.matches("::c").count();
    assert!(written > 100 && listed >= written, "{written} behaviours, {listed} listed");
}
