//! `docs/promises.md` names tests that exist, its numbers are complete, and the numbers in the names of tests agree with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all functions and modules in the tests and sources of the workspace.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && name != "target" {
                functions(&path, names);
            }
        } else if name.ends_with(".rs") || name.ends_with(".py") {
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines() {
                let keywords = ["fn ", "def ", "mod "];
                let (_, rest) = match keywords.iter().find_map(|keyword| line.split_once(keyword)) {
                    Some(found) => found,
                    None => continue,
                };
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                names.insert(rest[..end].to_owned());
            }
        }
    }
}

/// The numbers that a text such as "P2, P14 to P16" names.
fn numbers(text: &str) -> BTreeSet<u32> {
    let number = |word: &str| word.trim().strip_prefix('P').and_then(|digits| digits.parse().ok());
    let ranges = text.split(',').map(|part| match part.split_once(" to ") {
        Some((first, last)) => number(first).unwrap()..=number(last).unwrap(),
        None => number(part).unwrap()..=number(part).unwrap(),
    });
    ranges.flatten().collect()
}

/// The number in a name such as `c17_only_ended_leases_are_lost`.
fn line_of(test: &str) -> Option<&str> {
    let digits = test.strip_prefix('c')?.get(..2)?;
    (digits.bytes().all(|digit| digit.is_ascii_digit()) && test.as_bytes().get(3) == Some(&b'_'))
        .then_some(digits)
}

#[test]
fn each_promise_is_shown_by_tests_that_exist_and_bear_its_number() {
    let text = fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let mut names = BTreeSet::new();
    for folder in ["crates", "examples", "python"] {
        functions(&root().join(folder), &mut names);
    }
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| P") || line.starts_with("| `c"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let lines: BTreeMap<&str, BTreeSet<u32>> =
        rows.iter().filter_map(|row| Some((line_of(row[0].strip_prefix('`')?)?, numbers(row[1])))).collect();
    let (mut wrong, mut shown) = (Vec::new(), BTreeMap::<&str, BTreeSet<u32>>::new());
    let promises = rows.iter().filter(|row| row[0].starts_with('P'));
    for (expected, row) in (1..).zip(promises.clone()) {
        let number: u32 = row[0][1..].parse().unwrap();
        assert_eq!(number, expected, "the numbers of the promises are complete");
        let tests: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        if tests.is_empty() && !row[2].starts_with("not yet") && !row[2].starts_with("no test") {
            wrong.push(format!("P{number} names no test, and does not say why"));
        }
        for test in tests {
            if !names.contains(test) {
                wrong.push(format!("P{number}: there is no test {test}"));
            }
            if let Some(line) = line_of(test) {
                shown.entry(line).or_default().insert(number);
            }
        }
    }
    let known = promises.count() as u32;
    assert!(known > 90, "the page was read");
    for line in lines.keys().chain(shown.keys()).collect::<BTreeSet<_>>() {
        if lines.get(line) != shown.get(line) {
            wrong.push(format!(
                "tests c{line}_… show {:?}, the table says {:?}",
                shown.get(line),
                lines.get(line)
            ));
        }
    }
    for line in names.iter().filter_map(|name| line_of(name)).collect::<BTreeSet<_>>() {
        if !lines.contains_key(line) {
            wrong.push(format!("tests are called c{line}_…, which the page does not explain"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
