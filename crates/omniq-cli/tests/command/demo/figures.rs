//! The figures equal those of `sha256sum`, whatever the names of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::tree;
use crate::support::{self, Bench, Ran, folder};

/// The checksums in the stored results, by path.
pub fn stored(bench: &Bench) -> BTreeMap<Vec<u8>, String> {
    let all = bench.entries(&[
        "results",
        "list",
        "--func",
        "hash_file",
        "--status",
        "completed",
        "--limit",
        "100000",
    ]);
    let all = all.as_array().expect("a list").iter().map(|result| &result["value"]["value"]);
    all.map(|facts| {
        let text = facts["path"].as_str().expect("a path").as_bytes().to_vec();
        let bytes =
            |list: &Vec<Value>| list.iter().map(|byte| byte.as_u64().expect("a byte") as u8).collect();
        let path = facts["bytes"].as_array().map_or(text, bytes);
        (path, facts["sha256"].as_str().expect("a sum").to_owned())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_agrees_with_sha256sum() {
    let (bench, folder) = (Bench::new().await, folder());
    let root = folder.path().canonicalize().expect("a folder");
    let count = tree::hostile(&root);
    let ran = Ran::of(bench.command(&["demo", "--json"]).arg(&root)).good();
    let report = ran.json();

    let sums = tree::sums(&root);
    assert_eq!(sums.len(), count);
    assert_eq!(stored(&bench), sums);
    assert_eq!(report["files"], count);
    assert_eq!(report["failed"], serde_json::json!([]));
    assert_eq!(report["done_by"], serde_json::json!({ "rust": count }));
    assert_eq!(report["skipped"], serde_json::json!({ "links": 3, "special": 2, "folders": 0 }));
    let sizes: u64 = sums.keys().map(|path| size(path)).sum();
    assert_eq!(report["bytes"], sizes);

    // The groups: each checksum that occurs more than once, with its number of files.
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    sums.values().for_each(|sum| *copies.entry(sum).or_default() += 1);
    copies.retain(|_, count| *count > 1);
    let groups = report["groups"].as_array().expect("groups");
    let found: BTreeMap<&str, usize> = groups
        .iter()
        .map(|group| {
            (group["sha256"].as_str().expect("a sum"), group["files"].as_array().map_or(0, Vec::len))
        })
        .collect();
    assert_eq!(found, copies);
    // Two of the three long names are one file, so one copy is wasted, not two.
    assert_eq!(groups[0]["files"].as_array().map(Vec::len), Some(3));
    assert_eq!(groups[0]["wasted"], groups[0]["size"]);
    let wasted: u64 = groups.iter().map(|group| group["wasted"].as_u64().expect("a number")).sum();
    assert_eq!(report["wasted"], wasted);

    let lines = lines_in(&root);
    assert_eq!(report["lines"], lines);
}

fn size(path: &[u8]) -> u64 {
    use std::os::unix::ffi::OsStrExt;
    std::fs::metadata(std::ffi::OsStr::from_bytes(path)).expect("a file").len()
}

/// The lines as `wc` counts them.
fn lines_in(root: &Path) -> u64 {
    let counted = std::process::Command::new("sh")
        .args(["-c", "find \"$1\" -type f -exec cat {} + | wc -l", "sh"])
        .arg(root)
        .output()
        .expect("wc runs");
    String::from_utf8_lossy(&counted.stdout).trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_sends_no_control_codes_to_a_terminal() {
    let (bench, folder) = (Bench::new().await, folder());
    tree::hostile(folder.path());
    let ran = Ran::of(bench.command(&["demo"]).arg(folder.path())).good();
    for word in ["Files", "29", "Identical", "Tasks/s", "WASTED", "Where to look next", "omniq events list"] {
        assert!(ran.stdout.contains(word), "{word:?} is not in {ran:?}");
    }
    assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{ran:?}");
    assert!(!ran.stdout.contains(&bench.db.url()), "{ran:?}");
}

#[test]
fn a_python_that_cannot_take_part_is_named() {
    let demo = |python: &str| Ran::of(support::omniq().args(["demo", "--python", python]));
    demo("/nowhere/python").fails_with(2, "the Python /nowhere/python cannot be started");
    // The program `false` ends with 1 whatever its arguments are.
    demo("false").fails_with(2, "the Python false has no package omniq");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_folder_is_no_trouble_and_a_finished_run_is_followed_by_a_new_one() {
    let (bench, folder) = (Bench::new().await, folder());
    let demo = || Ran::of(bench.command(&["demo", "--json"]).arg(folder.path())).good().json();
    let empty = demo();
    assert_eq!((&empty["files"], &empty["resumed"]), (&0.into(), &false.into()));
    std::fs::write(folder.path().join("one"), "1\n").expect("a file");
    let one = demo();
    assert_eq!((&one["files"], &one["resumed"]), (&1.into(), &false.into()));
    assert_ne!(one["queue"], empty["queue"]);
    assert_eq!(demo()["files"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_failed_task_with_its_error() {
    // The folder has files, some of which even root cannot read.
    let folder = Path::new("/proc/sys/vm");
    let paths = walk(folder);
    let unreadable: BTreeSet<_> = paths.iter().filter(|path| std::fs::read(path).is_err()).collect();
    let bench = Bench::new().await;
    let report = Ran::of(bench.command(&["demo", "--json"]).arg(folder)).good().json();
    assert_eq!(report["files"], paths.len() - unreadable.len());
    let failed = report["failed"].as_array().expect("a list");
    assert_eq!(failed.len(), unreadable.len());
    let dead = bench.entries(&[
        "tasks",
        "list",
        "--state",
        "dead",
        "--queue",
        report["queue"].as_str().expect("a queue"),
    ]);
    assert_eq!(dead.as_array().map(Vec::len), Some(unreadable.len()));
    for task in dead.as_array().expect("a list") {
        let path = task["payload"]["value"]["path"].as_str().expect("a path");
        assert!(unreadable.contains(&Path::new(path).to_owned()), "{task}");
        assert!(task["error"]["message"].as_str().expect("a message").contains(path), "{task}");
        assert_eq!((&task["attempt"], &task["max_retries"]), (&1.into(), &3.into()), "no retry: {task}");
    }
    let results = bench.entries(&["results", "list", "--status", "failed"]);
    assert_eq!(results.as_array().map(Vec::len), Some(unreadable.len()));
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries.filter(|entry| entry.file_type().expect("a type").is_file()).map(|entry| entry.path()).collect()
}
