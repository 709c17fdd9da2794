//! C29: a call waits no longer than `acquire_timeout` for a connection that is under way, which the next call then finds.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{Pooler, Proxy, TestDb};

/// How long a call takes, and whether it came through; an error is one that waiting mends.
async fn call(backend: &AsyncPostgresBackend) -> (Duration, bool) {
    let began = Instant::now();
    // Not a single enqueue, which shares connections.
    let answer = backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await;
    if let Err(error) = &answer {
        assert!(error.is_unavailable(), "{error}");
        for word in ["acquire_timeout", "connect_timeout", "400ms", "10s"] {
            assert!(error.message().contains(word), "{word} in: {error}");
        }
    }
    (began.elapsed(), answer.is_ok())
}

/// A backend whose connections have all gone, with a proxy in front of its server.
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
    // It meets a connection that has just been cut.
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

/// Attempts go on: cut off with each call, they would never come to the second host.
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

/// A connection that a full pooler takes and gives no session belongs to the log-in, the first one as well.
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
