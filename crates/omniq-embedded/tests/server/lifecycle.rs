//! Start, stop, restart and kill, with every installed version of PostgreSQL.

use crate::support::{Stop, owned, query, quick, temp};
use omniq_embedded::{Programs, Server, StopMode};

#[test]
fn a_restart_keeps_port_and_data_in_every_version() {
    let installed = Programs::installed();
    assert!(!installed.is_empty(), "no server programs on this machine");
    for programs in installed {
        let temp = temp();
        let data_dir = temp.path().join("pg");
        let _stop = Stop(data_dir.clone());
        let options = quick(&data_dir).bin_dir(programs.bin_dir());
        let mut server = Server::start(options.clone()).expect("the first start");
        assert_eq!(server.version(), programs.version());
        assert_eq!(query(&server, "create table t as select 'ä' as c; select c from t"), "ä");
        let (url, pid) = (server.url(), server.pid());
        for mode in [StopMode::Smart, StopMode::Fast, StopMode::Immediate] {
            server.restart(mode).expect("a restart");
            assert_ne!(server.pid(), pid);
            assert_eq!(server.url(), url);
            assert_eq!(query(&server, "select c from t"), "ä");
        }
        server.stop(StopMode::Fast).expect("a stop");
        assert!(!server.is_running() && server.pid().is_none());
        server.stop(StopMode::Fast).expect("a second stop is harmless");
        assert!(Server::attach(options.clone()).expect("a look").is_none());
        let server = Server::start(options).expect("a second start");
        assert_eq!(server.url(), url);
        assert_eq!(query(&server, "select c from t"), "ä");
    }
}

#[test]
fn the_defaults_are_durable_and_settings_win() {
    let temp = temp();
    let server = Server::start(owned(temp.path()).setting("work_mem", "7MB")).expect("a start");
    let show = |name: &str| query(&server, &format!("show {name}"));
    assert_eq!((show("fsync"), show("work_mem")), ("off".into(), "7MB".into()));
    assert_eq!((show("synchronous_commit"), show("max_connections")), ("on".into(), "200".into()));
    assert_eq!((show("timezone"), show("server_encoding")), ("UTC".into(), "UTF8".into()));
    assert_eq!(show("listen_addresses"), "127.0.0.1");
    assert_eq!(query(&server, "select current_user, current_database()"), "omniq|omniq");
}

#[test]
fn no_client_gets_in_without_the_password_and_nothing_shows_it() {
    let temp = temp();
    let server = Server::start(owned(temp.path())).expect("a start");
    let url = server.url();
    let password = url.split([':', '@']).nth(2).expect("a password in the URL");
    assert_eq!(password.len(), 48);
    assert!(!format!("{server:?} {:?}", server.psql_command()).contains(password));
    let socket_dir = server.socket_dir().to_str().expect("a plain path");
    for host in ["127.0.0.1", socket_dir] {
        let mut psql = server.psql_command();
        psql.args(["-w", "-h", host, "-Xc", "select 1"]).env("PGPASSFILE", "/dev/null");
        let output = psql.output().expect("psql runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("no password supplied"), "{host}: {said}");
    }
}

#[test]
fn a_killed_server_comes_back_with_its_data() {
    let temp = temp();
    let options = owned(temp.path()).setting("fsync", "on");
    let mut server = Server::start(options).expect("a start");
    query(&server, "create table t as select 1 as c");
    let port = server.port();
    server.kill().expect("it ran");
    assert!(!server.is_running());
    server.kill().expect_err("it does not run");
    server.restart(StopMode::Fast).expect("a restart");
    assert_eq!(server.port(), port);
    assert_eq!(query(&server, "select c from t"), "1");
}

#[test]
fn a_failed_start_shows_the_log() {
    let temp = temp();
    let options = owned(temp.path()).setting("shared_buffers", "plenty");
    let error = Server::start(options).expect_err("no such size");
    assert!(error.to_string().contains("shared_buffers"), "{error}");
    Server::start(owned(temp.path())).expect("the next start, with good settings");
}

#[test]
fn smart_mode_waits_for_clients_only_so_long() {
    let temp = temp();
    let options = owned(temp.path()).timeout(std::time::Duration::from_secs(3));
    let mut server = Server::start(options).expect("a start");
    let mut client = server.psql_command().args(["-Xc", "select pg_sleep(60)"]).spawn().expect("psql runs");
    crate::support::eventually("the client is connected", || {
        query(&server, "select count(*) from pg_stat_activity where query like '%sleep(60)'") == "1"
    });
    let error = server.stop(StopMode::Smart).expect_err("a client is connected");
    assert!(error.is_timeout(), "{error}");
    server.stop(StopMode::Fast).expect("fast does not wait");
    client.wait().expect("its session was ended");
}
