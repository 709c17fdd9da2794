//! `omniq dev`, and the embedded server that other commands start by themselves.

use crate::support::{Home, Ran, folder, omniq};

#[test]
fn dev_start_status_url_psql_stop() {
    let home = Home::new();
    assert!(home.run(&["dev", "status"]).good().stdout.contains("Not running"));
    home.run(&["dev", "url"]).fails_with(3, "omniq dev start");
    assert_eq!(home.run(&["dev", "stop", "--json"]).good().json()["stopped"], false);

    let started = home.run(&["dev", "start"]).good();
    assert!(
        started.stdout.contains("started on port") && started.stderr.contains("OMNIQ_URL"),
        "{started:?}"
    );
    assert!(home.run(&["dev", "start"]).good().stdout.contains("runs already"));
    let state = home.run(&["dev", "status", "--json"]).good().json();
    assert_eq!(state["running"], true);
    assert!(state["version"].as_u64() >= Some(10) && state["size"].as_u64() > Some(1 << 20), "{state}");
    let shown = home.run(&["dev", "status"]).good().stdout;
    assert!(shown.contains(&state["port"].to_string()) && shown.contains("MiB"), "{shown}");

    let url = home.run(&["dev", "url"]).good().stdout;
    assert!(url.starts_with("postgresql://omniq:") && url.contains(&state["port"].to_string()), "{url}");
    Ran::of(omniq().args(["db", "migrate"]).env("OMNIQ_URL", url.trim())).good();
    let asked = home.run(&["dev", "psql", "-Atc", "select count(*) from omniq.task_list"]).good();
    assert_eq!(asked.stdout.trim(), "0");

    assert!(home.run(&["dev", "stop"]).good().stdout.contains("Stopped"));
    assert!(!home.is_running());
}

#[test]
fn dev_data_is_a_server_beside_the_others() {
    let (home, other) = (Home::new(), folder());
    let data = other.path().join("scratch");
    let data = data.to_str().expect("a plain name");
    let started = home.run(&["dev", "start", "--data", data]).good();
    assert!(started.stderr.contains(data), "{started:?}");
    assert_eq!(home.run(&["dev", "status", "--json", "--data", data]).good().json()["running"], true);
    assert!(!home.is_running());
    home.run(&["dev", "stop", "--data", data]).good();
}

#[test]
fn commands_without_a_database_take_the_embedded_one_and_say_so() {
    let home = Home::new();
    let first = home.run(&["tasks", "enqueue", "add", "[1, 2]"]).good();
    assert_eq!(first.stderr.lines().count(), 1, "{first:?}");
    assert!(first.stderr.contains("omniq dev stop"), "{first:?}");
    let second = home.run(&["queues"]).good();
    // Issue 12, E6: a command that was meant for another database looked as if that were empty.
    assert_eq!(second.stderr.lines().count(), 1, "{second:?}");
    assert!(
        second.stderr.contains("No database is set (--url, OMNIQ_URL, --config, DATABASE_URL, PGHOST)"),
        "{second:?}"
    );
    assert_eq!(home.run(&["queues", "--quiet"]).good().stderr, "");
    assert!(second.stdout.contains("default"), "{second:?}");
    let events = home.run(&["events", "list", "--json"]).good().json();
    assert_eq!(events["events"][0]["kind"], "enqueued");
}

/// Issue 14, 15. The variables of libpq are for other servers.
#[test]
fn the_private_server_is_reached_whatever_variables_libpq_has() {
    let home = Home::new();
    let command = ["tasks", "enqueue", "add"];
    let variables =
        [("PGSSLMODE", "verify-full"), ("PGUSER", "nobody"), ("PGTARGETSESSIONATTRS", "read-only")];
    Ran::of(home.command(&command).envs(variables)).good();
}

/// Issue 14, 15. Neither starts a server nor takes one that runs.
#[test]
fn a_private_server_that_is_forbidden_is_not_used() {
    let home = Home::new();
    let off = |arguments: &[&str]| Ran::of(home.command(arguments).env("OMNIQ_EMBEDDED", "off"));
    let words = "a private server is forbidden by embedded = off: url is missing: give a postgresql:// URL, or set OMNIQ_URL, DATABASE_URL";
    off(&["queues"]).fails_with(2, words);
    off(&["demo"]).fails_with(2, words);
    assert!(!home.is_running());
    // One that is asked for by name is started.
    off(&["dev", "start"]).good();
    off(&["queues"]).fails_with(2, words);
    home.run(&["queues"]).good();
}

#[test]
fn without_server_programs_the_ways_to_get_them_are_named() {
    let home = Home::new();
    let empty = folder();
    let ran = Ran::of(home.command(&["queues"]).env("OMNIQ_PG_BIN", empty.path()));
    ran.fails_with(4, "OMNIQ_PG_BIN");
}
