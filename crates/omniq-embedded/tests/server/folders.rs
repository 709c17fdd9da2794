//! Data folders with hostile names, of other origin, or with the remains of a crash.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use crate::support::{Stop, is_root, owned, query, quick, temp};
use omniq_embedded::{Programs, Server, StopMode};

#[test]
fn hostile_names_work() {
    let temp = temp();
    let long = "long".repeat(30);
    for name in ["with space", "qu'o\"te", "ümläut ✓", "a,b", "$HOME;`id`", "-D", "back\\slash", &long] {
        let data_dir = temp.path().join(name);
        let server = Server::start(owned(&data_dir)).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(query(&server, "select 1"), "1", "{name:?}");
        let socket_dir = server.socket_dir().to_owned();
        assert!(socket_dir.as_os_str().len() < 92, "{socket_dir:?}");
        drop(server);
        assert!(!socket_dir.exists() || socket_dir.starts_with(&data_dir), "{socket_dir:?} was left");
    }
}

#[test]
fn a_name_with_a_line_break_is_refused() {
    let temp = temp();
    let error = Server::start(owned(&temp.path().join("new\nline"))).expect_err("PostgreSQL cannot");
    assert!(error.to_string().contains("line break"), "{error}");
    assert_eq!(fs::read_dir(temp.path()).expect("it is there").count(), 0);
}

#[test]
fn the_password_is_for_its_owner_only() {
    let temp = temp();
    let data_dir = temp.path().join("pg");
    drop(Server::start(owned(&data_dir)).expect("a start"));
    let mode = |name: &str| fs::metadata(data_dir.join(name)).expect(name).permissions().mode() & 0o777;
    assert_eq!(
        (mode("pgpass"), mode("data"), mode("socket"), mode("server.log")),
        (0o600, 0o700, 0o700, 0o600)
    );
    assert!(!data_dir.join("initial-password").exists());
    assert_eq!(mode(""), if is_root() { 0o711 } else { 0o700 });
}

#[test]
fn folders_with_other_contents_are_refused() {
    let temp = temp();
    fs::write(temp.path().join("thesis.txt"), "dear to someone").expect("our own folder");
    let error = Server::start(owned(temp.path())).expect_err("not ours");
    assert!(error.to_string().contains("not from an embedded server"), "{error}");
    assert_eq!(fs::read_dir(temp.path()).expect("it is there").count(), 1);
}

#[test]
fn a_pid_file_left_by_a_crash_is_no_obstacle() {
    let temp = temp();
    let data_dir = temp.path().join("pg");
    let _stop = Stop(data_dir.clone());
    let mut server = Server::start(quick(&data_dir)).expect("a start");
    let pid_file = data_dir.join("data/postmaster.pid");
    let text = fs::read_to_string(&pid_file).expect("a pid file");
    let pid = server.pid().expect("it runs").to_string();
    server.stop(StopMode::Immediate).expect("a stop");
    // The pid belongs to no process, to another user's process, and to a process of the server's user.
    let owner = fs::metadata(data_dir.join("data")).expect("the cluster").uid();
    let mut bystander = as_server_user(owner);
    for other in ["4194303".to_owned(), "1".to_owned(), bystander.id().to_string()] {
        fs::write(&pid_file, text.replacen(&pid, &other, 1)).expect("root or its owner");
        chown(&pid_file, Some(owner), None).expect("root or its owner");
        assert!(Server::attach(quick(&data_dir)).expect("a look").is_none(), "{other}");
        let mut server = Server::start(quick(&data_dir)).unwrap_or_else(|error| panic!("{other}: {error}"));
        server.stop(StopMode::Fast).expect("a stop");
    }
    assert!(bystander.try_wait().expect("ours").is_none(), "the bystander was ended");
    bystander.kill().and_then(|()| bystander.wait()).expect("its end");
}

fn as_server_user(owner: u32) -> std::process::Child {
    let mut sleep = std::process::Command::new("sleep");
    if is_root() {
        sleep.uid(owner);
    }
    sleep.arg("60").spawn().expect("sleep runs")
}

#[test]
fn an_interrupted_setup_is_begun_again() {
    let temp = temp();
    fs::write(temp.path().join("lock"), "").expect("our own folder");
    fs::create_dir_all(temp.path().join("data.new/base")).expect("our own folder");
    Server::start(owned(temp.path())).expect("a start");
}

#[test]
fn another_major_version_is_refused_in_plain_words() {
    let temp = temp();
    drop(Server::start(owned(temp.path())).expect("a start"));
    fs::write(temp.path().join("data/PG_VERSION"), "9.6\n").expect("root or its owner");
    let error = Server::start(owned(temp.path())).expect_err("too old");
    assert!(error.is_version_mismatch(), "{error}");
    let version = Programs::locate().expect("programs").version().to_string();
    assert!(error.to_string().contains("9.6") && error.to_string().contains(&version), "{error}");
}

#[test]
fn a_folder_out_of_the_servers_reach_is_named() {
    if !is_root() {
        return;
    }
    let temp = temp();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o700)).expect("our own folder");
    let error = Server::start(owned(&temp.path().join("a/pg"))).expect_err("out of reach");
    let remedy = format!("chmod o+x {}`", temp.path().display());
    assert!(error.to_string().contains(&remedy), "{error}");
    assert!(!temp.path().join("a").exists());
}
