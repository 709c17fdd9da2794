//! C29: faults of sessions: hosts that do not answer, servers that take no writes, statements that are cancelled.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use omniq::backend::postgres::Settings;
use omniq::migrate::{self, Part};
use omniq::prelude::*;
use omniq_embedded::StopMode;
use omniq_testkit::{Proxy, TestDb, eventually, fault_server, heavy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_postgres::Client;

use crate::witness::{NEVER, PATIENCE, echo_worker, exists, number};

/// The address of a URL, between what comes before and after it.
fn split(url: &str) -> (&str, &str, &str) {
    let (start, rest) = url.rsplit_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    (start, address, database)
}

/// A port that accepts no further connection: packets that ask for one are dropped.
async fn full_port() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(listener.local_addr().unwrap()))
            .await
    {
        waiting.push(stream);
    }
    (listener, waiting)
}

/// Issue 12, C5. The connect timeout holds for each host, including its log-in; and not every connection asks a host first
/// that does not answer.
#[tokio::test]
async fn c29_hosts_that_do_not_answer_are_passed_over_in_their_time() {
    let db = TestDb::new().await;
    let url = db.url();
    let (start, address, database) = split(&url);
    let (full, _waiting) = full_port().await;
    // Accepts connections into its queue, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (full, silent) =
        (full.local_addr().unwrap(), silent.local_addr().map(|address| (silent, address)).unwrap());
    let url = format!("{start}@{full},{},{address}/{database}?connect_timeout=1.5", silent.1);
    let began = Instant::now();
    let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(9), "{took:?}");
    let began = Instant::now();
    let calls = (0..5).map(|value| {
        let backend = backend.clone();
        // Not single enqueues, which share connections.
        tokio::spawn(async move { backend.enqueue_many(vec![NewTask::new("f", &value).unwrap()]).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert!(began.elapsed() < Duration::from_millis(1400), "{:?}", began.elapsed());
    backend.close().await.unwrap();
    // By the first attempt, without time for another one.
    let url = format!("{start}@{},{address}/{database}?connect_timeout=0.5&acquire_timeout=0.01", silent.1);
    AsyncPostgresQueue::connect(&url).await.unwrap().close().await.unwrap();
}

/// For a moment all connections of a worker lead to a server that takes no writes, and they stay open there when there is another
/// server: the worker keeps its lease, and receives notifications.
async fn notifications_and_heartbeats_come_back(
    backend: &AsyncPostgresBackend,
    witness: &Client,
    proxy: &Proxy,
    [there, here]: [&str; 2],
) {
    let echo = |value: u64, _: Context| async move { Ok::<_, Failure>(value) };
    let worker = Worker::builder(backend).poll(NEVER).lease(Duration::from_secs(9));
    let worker = worker.register("echo", echo).build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let run = async |value: u64| {
        eventually("it sleeps", PATIENCE, async || {
            (number(witness, "select count(*) from omniq.listeners").await > 0).then_some(())
        })
        .await;
        let id = backend.enqueue(NewTask::new("echo", &value).unwrap()).await.unwrap();
        backend.wait(id, PATIENCE).await.unwrap();
    };
    run(1).await;
    proxy.retarget(there);
    proxy.cut();
    // Longer than the time between two heartbeats.
    tokio::time::sleep(Duration::from_millis(3_300)).await;
    proxy.retarget(here);
    run(2).await;
    // Without a heartbeat the lease would be over by now.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    run(3).await;
    assert_eq!(number(witness, "select count(*) from omniq.workers").await, 1);
    let again =
        "select last_value from pg_sequences where schemaname = 'omniq' and sequencename like 'workers%'";
    assert_eq!(number(witness, again).await, 1, "it is registered as it was");
    stop.stop();
    running.await.unwrap().unwrap();
}

/// Issue 12, C4. Pool, listener and heartbeat leave a server that takes no writes, as after a failover; the new primary
/// is found at the same address and in a list of hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_a_failover_is_followed() {
    let _turn = heavy();
    let mut old = fault_server("primary");
    let db = TestDb::on(&old.url()).await;
    let settings = Settings::from_url(&db.url()).unwrap();
    migrate::migrate(&settings, &Part::ALL).await.unwrap();
    let new = old.standby("standby");
    let (there, here) = (format!("127.0.0.1:{}", new.port()), format!("127.0.0.1:{}", old.port()));

    // The sessions stay open, on a server that takes no writes.
    let url = db.url();
    let (start, _, database) = split(&url);
    let proxy = Proxy::start(&there).await;
    let url = format!("{start}@127.0.0.1:{}/{database}?pool_min=3", proxy.port());
    let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
    assert_eq!(backend.queue().count(&omniq::TaskFilter::default()).await.unwrap(), 0, "it can be read");
    let call = {
        let backend = backend.clone();
        tokio::spawn(async move { backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await })
    };
    // Not repeated unless the server said that it did nothing.
    let other = {
        let queue = backend.queue().clone();
        tokio::spawn(async move {
            queue.pause("other").await?;
            // In a transaction, which such a server does not even begin (0A000).
            queue.cancel_many(&[TaskId::new()]).await
        })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    if call.is_finished() {
        panic!("it waits for a server that takes writes: {:?}", call.await);
    }
    if other.is_finished() {
        panic!("it waits for a server that takes writes: {:?}", other.await);
    }
    proxy.retarget(&here);
    tokio::time::timeout(Duration::from_secs(5), call).await.expect("found in seconds").unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(5), other).await.expect("found in seconds").unwrap().unwrap();
    assert_eq!(backend.queue().purge(&omniq::TaskFilter::default()).await.unwrap(), 1);
    notifications_and_heartbeats_come_back(&backend, &db.client().await, &proxy, [&there, &here]).await;
    backend.close().await.unwrap();
    // Without another server, the error is a transient one.
    let settings = Settings::from_url(&format!("{start}@{there}/{database}?acquire_timeout=0.3")).unwrap();
    let queue = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
    // On a slow machine the last attempt of a call may end while its connection is under way.
    let mut error = queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap_err();
    for _ in 0..20 {
        assert!(error.is_unavailable(), "{error:?}");
        if error.sqlstate().is_none() {
            error = queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap_err();
        }
    }
    assert_eq!(error.sqlstate(), Some("25006"), "{error:?}");
    queue.close().await.unwrap();

    let url = format!(
        "{start}@{here},{there}/{database}?target_session_attrs=read-write&lease=3&connect_timeout=2"
    );
    let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
    let worker = echo_worker(&backend);
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let id = backend.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap();
    backend.wait(id, PATIENCE).await.unwrap();
    let began = Instant::now();
    old.demote();
    let old = tokio::task::spawn_blocking(move || {
        old.restart(StopMode::Immediate).unwrap();
        old
    });
    let promoted = new.url_for("postgres");
    let (client, connection) = tokio_postgres::connect(&promoted, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query("select pg_promote()", &[]).await.unwrap();
    let _old = old.await.unwrap();
    let id = backend.enqueue(NewTask::new("echo", &2).unwrap()).await.unwrap();
    let enqueued = began.elapsed();
    backend.wait(id, PATIENCE).await.unwrap();
    println!("after a failover: enqueued after {enqueued:?}, run after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// Issue 12, C9. All waiters of a storage share one query; if it is cancelled, they go on waiting.
#[tokio::test]
async fn c29_a_cancelled_look_for_results_fails_no_waiter() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let tasks = (0..100).map(|value| NewTask::new("echo", &value).unwrap()).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    let waiters: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.wait(id, PATIENCE).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut locker, witness) = (db.client().await, db.client().await);
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table omniq.result_segments").await.unwrap();
    let cancel = "select count(pg_cancel_backend(pid)) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq' and wait_event_type = 'Lock'";
    // Often enough that a query that is split would come down to single ids.
    for _ in 0..10 {
        eventually("a look is cancelled", PATIENCE, async || {
            (number(&witness, cancel).await > 0).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lock.rollback().await.unwrap();
    let worker = echo_worker(&backend);
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// Issue 12, E11. Each error names its own cause.
#[tokio::test]
async fn c29_a_refused_connection_and_a_renamed_schema_get_clear_errors() {
    let error = AsyncPostgresBackend::connect("postgresql://me@127.0.0.1:1/app?acquire_timeout=0.2")
        .await
        .unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    let text = error.to_string().to_lowercase();
    assert!(
        text.contains("127.0.0.1:1") && text.contains("refused") && !text.contains("broke off"),
        "{text}"
    );

    let db = TestDb::new().await;
    AsyncPostgresBackend::connect(&db.url()).await.unwrap().close().await.unwrap();
    let witness = db.client().await;
    witness.batch_execute("alter schema omniq rename to \"Jobs\"").await.unwrap();
    let settings = Settings::builder().url(db.url()).schema("Jobs").build().unwrap();
    let error = AsyncPostgresBackend::with_settings(&settings).await.unwrap_err();
    assert!(
        error.is_config() && error.to_string().contains("alter schema \"Jobs\" rename to \"omniq\""),
        "{error:?}"
    );
    assert!(migrate::migrate(&settings, &Part::ALL).await.unwrap_err().is_config());
    assert!(exists(&witness, "\"Jobs\".tasks").await);
}
