//! C29: a call waits no longer than `acquire_timeout` for an attempt to connect, which the next call takes over.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{Pooler, Proxy, TestDb, eventually};

use crate::witness::{PATIENCE, number};

/// The number of OmniQ's sessions at this moment.
const SESSIONS: &str =
    "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'omniq'";

/// How long a call takes, and whether it succeeded. Any error is one that passes with time.
async fn call(backend: &AsyncPostgresBackend) -> (Duration, bool) {
    let began = Instant::now();
    // Not a single enqueue, which shares connections.
    let answer = backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await;
    if let Err(error) = &answer {
        let words: &[&str] = if error.is_pool_timeout() {
            &["acquire_timeout", "pool_max", "400ms", "being opened"]
        } else {
            assert!(error.is_unavailable(), "{error}");
            &["acquire_timeout", "connect_timeout", "400ms", "10s"]
        };
        for word in words {
            assert!(error.message().contains(word), "{word} in: {error}");
        }
        assert!(!error.message().contains("not known"), "nothing was sent: {error}");
    }
    (began.elapsed(), answer.is_ok())
}

/// A backend whose connections are all closed, with a proxy in front of its server.
async fn without_connections(url: &str, hosts: impl FnOnce(u16) -> String) -> (Proxy, AsyncPostgresBackend) {
    let (start, rest) = url.rsplit_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::start(address).await;
    let hosts = hosts(proxy.port());
    let backend = AsyncPostgresBackend::connect(&format!("{start}@{hosts}/{database}")).await.unwrap();
    (proxy, backend)
}

/// Found by a newcomer: a call with an `acquire_timeout` of 2 s waited 10 s for the attempt to connect.
#[tokio::test]
async fn c29_a_call_waits_for_an_attempt_to_connect_no_longer_than_it_may() {
    let db = TestDb::new().await;
    let hosts = |port| format!("127.0.0.1:{port}");
    let url = format!("{}?acquire_timeout=0.4&connect_timeout=10&pool_min=0", db.url());
    let (proxy, backend) = without_connections(&url, hosts).await;
    proxy.stall(true);
    proxy.cut();
    // The first call meets a connection that was just cut.
    backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await.unwrap_err();
    for _ in 0..5 {
        let (took, done) = call(&backend).await;
        assert!(!done && took < Duration::from_secs(2), "{took:?}");
    }
    let calls = (0..20).map(|_| {
        let backend = backend.clone();
        tokio::spawn(async move { call(&backend).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let (took, done) = call.await.unwrap();
        assert!(!done && took < Duration::from_secs(2), "{took:?}");
    }
    proxy.stall(false);
    let (took, done) = call(&backend).await;
    assert!(done && took < Duration::from_secs(2), "{took:?}");
    assert!(
        db.sessions().await <= 1 + 10 + 2,
        "attempts that were given up count as connections of the pool"
    );
    backend.close().await.unwrap();
}

/// Single enqueues are sent together, possibly by another caller: each caller gets the error that its task was never sent, because then it
/// may enqueue the task again.
#[tokio::test]
async fn c29_callers_whose_tasks_are_sent_together_learn_that_they_were_never_sent() {
    let db = TestDb::new().await;
    let url = format!("{}?acquire_timeout=0.4&connect_timeout=10&pool_min=0", db.url());
    let (proxy, backend) = without_connections(&url, |port| format!("127.0.0.1:{port}")).await;
    proxy.stall(true);
    proxy.cut();
    backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await.unwrap_err();
    let calls = (0..20).map(|_| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.enqueue(NewTask::new("single", &1).unwrap()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(!error.message().contains("not known"), "nothing was sent: {error}");
    }
    proxy.stall(false);
    backend.enqueue(NewTask::new("single", &1).unwrap()).await.unwrap();
    let tasks = "select count(*) from omniq.tasks where func = 'single'";
    assert_eq!(number(&db.client().await, tasks).await, 1);
    backend.close().await.unwrap();
}

/// Attempts continue: if each ended with its call, none would reach the second host.
#[tokio::test]
async fn c29_the_second_host_is_reached_by_calls_that_wait_less_than_the_first_may_take() {
    let db = TestDb::new().await;
    let url = format!("{}?acquire_timeout=0.4&connect_timeout=10&pool_min=0", db.url());
    let address = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let url = url.replace("connect_timeout=10", "connect_timeout=1.5");
    let hosts = |port| format!("127.0.0.1:{port},{address}");
    let (proxy, backend) = without_connections(&url, hosts).await;
    proxy.stall(true);
    proxy.cut();
    let began = Instant::now();
    loop {
        let started = Instant::now();
        let answer = backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        if answer.is_ok() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(6), "{answer:?}");
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "the first host was given its time");
    backend.close().await.unwrap();
}

/// A backend that is closed meanwhile leaves no session behind, although the attempt would have succeeded.
#[tokio::test]
async fn c29_a_close_ends_the_attempts_to_connect() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    let url = format!("{}?acquire_timeout=1&connect_timeout=10&pool_min=0", db.url());
    let (proxy, backend) = without_connections(&url, |port| format!("127.0.0.1:{port}")).await;
    proxy.stall(true);
    proxy.cut();
    let waits = (0..3).map(|_| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await })
    });
    let waits: Vec<_> = waits.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    backend.close().await.unwrap();
    proxy.stall(false);
    for call in waits {
        call.await.unwrap().unwrap_err();
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(number(&witness, SESSIONS).await, 0);
    drop(backend);
}

/// The heartbeat asks the second host before its lease ends, although the first host may take that long.
#[tokio::test]
async fn c29_a_heartbeat_reaches_the_second_host_in_time() {
    let db = TestDb::new().await;
    let address = db.url().rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let (proxy, backend) = without_connections(&db.url(), |port| format!("127.0.0.1:{port},{address}")).await;
    let echo = |value: i64, _: Context| async move { Ok::<_, Failure>(value) };
    let worker = Worker::builder(&backend).lease(Duration::from_secs(8));
    let worker = worker.register("echo", echo).build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let witness = db.client().await;
    eventually("it is registered", PATIENCE, async || {
        (number(&witness, "select count(*) from omniq.workers").await == 1).then_some(())
    })
    .await;
    proxy.stall(true);
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let again =
        "select last_value from pg_sequences where schemaname = 'omniq' and sequencename like 'workers%'";
    assert_eq!(number(&witness, again).await, 1, "it is registered as it was");
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// A pooler by session that ignores the options at the start and has few sessions: the connection that detected it returns its session.
#[tokio::test]
async fn c29_a_pooler_by_session_that_swallows_settings_is_found_out_with_few_sessions() {
    for sessions in 1..=2 {
        let db = TestDb::new().await;
        let more = format!(
            "pool_mode = session\ndefault_pool_size = {sessions}\nignore_startup_parameters = options"
        );
        let pooler = Pooler::start(&db, &more);
        let began = Instant::now();
        let url = format!("{}?pool_max=1", pooler.url());
        let queue = AsyncPostgresQueue::connect(&url).await.unwrap();
        queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        queue.close().await.unwrap();
    }
}

/// If a full pooler accepts a connection but gives it no session, that counts as part of the log-in, also for the first connection.
#[tokio::test]
async fn c29_a_first_connection_through_a_full_pooler_is_given_up_in_its_time() {
    let db = TestDb::new().await;
    let pooler = Pooler::start(&db, "pool_mode = session\ndefault_pool_size = 1");
    let holder = AsyncPostgresQueue::connect(&format!("{}?pool_max=1", pooler.url())).await.unwrap();
    let began = Instant::now();
    let url = format!("{}?connect_timeout=1&acquire_timeout=0.5", pooler.url());
    let error = AsyncPostgresQueue::connect(&url).await.unwrap_err();
    assert!(error.is_unavailable() && error.message().contains("1s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    holder.close().await.unwrap();
    AsyncPostgresQueue::connect(&url).await.unwrap().close().await.unwrap();
}
