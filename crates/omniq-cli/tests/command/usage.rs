//! Help, mistakes, exit codes, secrets, colours, pipes.

use std::process::Stdio;

use crate::support::{Bench, Ran, folder, omniq};

fn run(arguments: &[&str]) -> Ran {
    Ran::of(omniq().args(arguments))
}

#[test]
fn every_command_has_a_help_that_teaches() {
    let top = run(&["--help"]).good().stdout;
    for word in [
        "Exit codes",
        "130",
        "OMNIQ_URL",
        "NO_COLOR",
        "demo",
        "queues",
        "workers",
        "tasks",
        "results",
        "events",
        "db",
        "dev",
    ] {
        assert!(top.contains(word), "{word} is not in the help:\n{top}");
    }
    assert!(!top.contains("demo-worker"), "{top}");
    for command in ["demo", "queues", "workers", "tasks", "results", "events", "db", "dev"] {
        let help = run(&[command, "--help"]).good().stdout;
        assert!(help.contains("Examples:\n  omniq "), "no examples in the help of {command}:\n{help}");
    }
    for (command, word) in [("tasks", "enqueue"), ("events", "tail"), ("db", "sql"), ("dev", "psql")] {
        let help = run(&[command, word, "--help"]).good().stdout;
        assert!(help.starts_with(|c: char| c.is_uppercase()), "{help}");
    }
}

#[test]
fn a_mistake_in_the_usage_is_exit_code_2() {
    run(&["unknown"]).fails_with(2, "unrecognized subcommand");
    run(&["tasks", "show", "no-uuid"]).fails_with(2, "is not a UUID");
    run(&["tasks", "list", "--state", "lost"]).fails_with(2, "use one of blocked, scheduled");
    run(&["results", "list", "--status", "good"]).fails_with(2, "use one of completed");
    run(&["events", "list", "--since", "yesterday"]).fails_with(2, "such as 10m or 2h");
    // Issue 12, errors: these showed a parser's own words, or waited for the server.
    let enqueue = ["tasks", "enqueue", "f", "--url", "postgresql://127.0.0.1:1/x"];
    let with = |more: [&'static str; 2]| run(&[&enqueue[..], &more].concat());
    with(["--run-at", "2030-13-01"]).fails_with(2, "write one such as 2026-11-24T10:00:00Z");
    with(["--id", "x"]).fails_with(2, "give one, such as 01a225e5-fa21-71b3-882e-7e3108f30000");
    with(["--ttl", "0"]).fails_with(2, "ttl = 0 seconds is refused: give more than 0 seconds");
    with(["--queue", ""]).fails_with(2, "queue name is empty: give it 1 to 128 bytes");
    run(&["demo", "--workers", "0"]).fails_with(2, "1..=64");
    run(&["demo", "/no/such/folder"]).fails_with(2, "/no/such/folder");
    run(&["demo", "/etc/passwd"]).fails_with(2, "is no folder");
    run(&["queues", "--config", "/no/such.toml"]).fails_with(2, "/no/such.toml");
    run(&["queues", "--url", "mysql://db/x"]).fails_with(2, "postgresql://");
    Ran::of(omniq().args(["dev", "status"]).env("OMNIQ_HOM", "/x")).fails_with(2, "OMNIQ_HOME was meant");
    Ran::of(omniq().args(["dev", "status"]).env("OMNIQ_COLOUR", "red"))
        .fails_with(2, "the nearest is OMNIQ_URL");
    Ran::of(omniq().arg("queues").env("OMNIQ_ULR", "postgresql://db/x")).fails_with(2, "OMNIQ_URL was meant");
    Ran::of(omniq().arg("queues").env("OMNIQ_POOL_MAX", "many")).fails_with(2, "pool_max");
    Ran::of(omniq().arg("queues").env("OMNIQ_LOG_LEVEL", "loud")).fails_with(2, "OMNIQ_LOG_LEVEL");
}

#[test]
fn a_database_that_is_away_is_exit_code_4_with_a_remedy() {
    let url = "postgresql://me:geheim@127.0.0.1:1/app?acquire_timeout=0.2";
    let ran = run(&["queues", "--url", url]).fails_with(4, "OMNIQ_URL");
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c30_no_password_is_ever_shown() {
    let bench = Bench::new().await;
    let url = bench.db.url().replacen("postgresql://omniq:", "postgresql://omniq:geheim", 1);
    assert!(url.contains("geheim"), "the test server's URL has another form");
    for more in [&["-vvv"][..], &["--json", "-vvv"]] {
        let ran = Ran::of(omniq().args(["queues", "--url", &url]).args(more));
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(!ran.stderr.contains("geheim") && !ran.stdout.contains("geheim"), "{ran:?}");
    }
    let ran = run(&["queues", "--url", "postgresql://me:geheim@db:port/app"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!ran.stderr.contains("geheim"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c30_the_log_is_as_loud_as_the_variable_says() {
    let bench = Bench::new().await;
    let quiet = bench.run(&["db", "migrate"]).good();
    assert_eq!(quiet.stderr, "");
    let other = Bench::new().await;
    let loud = Ran::of(other.command(&["db", "migrate"]).env("OMNIQ_LOG_LEVEL", "info")).good();
    assert!(loud.stderr.contains("INFO") && loud.stderr.contains("applied"), "{loud:?}");
    assert!(!loud.stdout.contains("INFO"), "{loud:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_url_file_and_environment_lead_to_the_same_place() {
    let bench = Bench::ready().await;
    bench.run(&["tasks", "enqueue", "add", "--queue", "here"]).good();
    let folder = folder();
    let file = folder.path().join("omniq.toml");
    std::fs::write(&file, format!("[omniq]\nurl = {:?}\n", bench.db.url())).expect("a file");
    let by_file = Ran::of(omniq().args(["queues", "--config"]).arg(&file)).good();
    let by_url = run(&["queues", "--url", &bench.db.url()]).good();
    assert!(by_url.stdout.contains("here"), "{by_url:?}");
    assert_eq!(by_file.stdout, by_url.stdout);
    assert_eq!(bench.run(&["queues"]).good().stdout, by_url.stdout);
    bench.run(&["queues", "--schema", "other"]).fails_with(1, "omniq db migrate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_no_failure_and_colours_are_for_terminals() {
    let bench = Bench::ready().await;
    for _ in 0..3 {
        bench.run(&["tasks", "enqueue", "add"]).good();
    }
    let plain = bench.run(&["tasks", "list"]).good();
    assert!(!plain.stdout.contains('\x1b'), "{plain:?}");
    let mut child = bench
        .command(&["tasks", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}
