//! The versions of the crates whose types a user passes in are named where a mismatch shows: in the guide, and in what the compiler
//! says of a type of another version.

use std::fs;
use std::path::Path;

/// The crates, by their names in the workspace.
const CRATES: [&str; 5] = ["tokio-postgres", "deadpool-postgres", "sqlx", "sqlx-0_8", "diesel-async"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The version that is required, up to what may break: `0.7` of `0.7.18`.
fn required(workspace: &str, name: &str) -> String {
    let line = workspace.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
    let (_, rest) = line.split_once("version = \"").unwrap();
    let mut parts = rest.split(['.', '"']);
    format!("{}.{}", parts.next().unwrap(), parts.next().unwrap())
}

#[test]
fn the_versions_of_drivers_are_those_that_the_guide_and_the_compiler_name() {
    let workspace = read("Cargo.toml");
    let (guide, connection, pool) = (
        read("docs/guide.md"),
        read("crates/omniq-postgres/src/transaction/connection.rs"),
        read("crates/omniq-postgres/src/existing_pool.rs"),
    );
    for name in CRATES {
        let version = required(&workspace, name);
        let crate_name = name.strip_suffix("-0_8").unwrap_or(name);
        let named = format!("{crate_name} {version}");
        assert!(guide.contains(&format!("| {named} |")), "the guide does not name {named}");
        assert!(connection.contains(&named), "the compiler does not name {named} for connections");
        if name.starts_with("sqlx") {
            assert!(pool.contains(&version), "the compiler does not name {named} for pools");
        }
    }
    let deadpool = required(&workspace, "deadpool-postgres");
    assert!(pool.contains(&format!("`deadpool_postgres::Pool` {deadpool}")));
}
