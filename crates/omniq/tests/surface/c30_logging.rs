//! C30: logging is set by function or `OMNIQ_LOG_LEVEL`, apart from events, and shows neither password nor payload.

use std::process::Command;
use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::TestDb;

/// In a process of its own, because a process has one subscriber.
fn run_as_child(name: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("c30_logging::{name}"), "--nocapture"])
        .env("OMNIQ_TEST_CHILD", "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_child() -> bool {
    std::env::var_os("OMNIQ_TEST_CHILD").is_some()
}

/// A worker's whole life with a task that fails, on a server whose URL holds a password.
async fn life(url: &str) {
    let backend = AsyncPostgresBackend::connect(url).await.unwrap();
    let secret = NewTask::new("fails", &"the payload is secret").unwrap().max_retries(0);
    let id = backend.enqueue(secret).await.unwrap();
    let worker = Worker::builder(&backend)
        .register("fails", |_: String, _: Context| async { Err::<(), _>(Failure::error("Kind", "why")) })
        .build()
        .unwrap();
    worker.run_until_idle().await.unwrap();
    backend.wait(id, Duration::from_secs(5)).await.unwrap();
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c30_the_level_is_set_by_function() {
    if is_child() {
        omniq::logging::init("debug").unwrap();
        assert!(omniq::logging::init("info").unwrap_err().is_config());
        return life(&std::env::var("OMNIQ_TEST_DATABASE").unwrap()).await;
    }
    let db = TestDb::new().await;
    let log = run_as_child("c30_the_level_is_set_by_function", &[("OMNIQ_TEST_DATABASE", &db.url())]);
    assert!(log.contains("omniq_core::worker") && log.contains("worker started"), "{log}");
    assert!(!log.contains("secret"), "{log}");
    let url = db.url();
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(password.len() > 5 && !log.contains(password), "{log}");
}

#[tokio::test]
async fn c30_the_level_is_set_by_the_environment() {
    if is_child() {
        omniq::logging::init_from_env().unwrap();
        return life(&std::env::var("OMNIQ_TEST_DATABASE").unwrap()).await;
    }
    let db = TestDb::new().await;
    let name = "c30_the_level_is_set_by_the_environment";
    let url = db.url();
    let loud = run_as_child(name, &[("OMNIQ_TEST_DATABASE", &url), ("OMNIQ_LOG_LEVEL", "info")]);
    assert!(loud.contains("INFO"), "{loud}");
    let quiet = run_as_child(name, &[("OMNIQ_TEST_DATABASE", &url), ("OMNIQ_LOG_LEVEL", "off")]);
    assert!(!quiet.contains("omniq_core"), "{quiet}");
    let usual = run_as_child(name, &[("OMNIQ_TEST_DATABASE", &url), ("OMNIQ_LOG_LEVEL", "")]);
    assert!(usual.contains("WARN") && !usual.contains("INFO"), "{usual}");
}

#[test]
fn c30_a_level_that_is_none_is_refused() {
    let error = omniq::logging::init("loud").unwrap_err();
    assert!(error.is_config() && error.message().contains("loud"), "{error}");
}
