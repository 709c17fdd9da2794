//! C7: no function of the library blocks the event loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{Proxy, TestDb};

/// On a runtime with a single thread, a ticker keeps time while calls wait for a slow network, a dequeue waits, and a pool is full.
#[tokio::test(flavor = "current_thread")]
async fn c07_nothing_blocks_the_event_loop() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let settings = Settings::builder().url(url).pool_max(2).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let (longest, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let ticker = tokio::spawn({
        let (longest, stop) = (Arc::clone(&longest), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                tokio::time::sleep(Duration::from_millis(5)).await;
                longest.fetch_max(began.elapsed().as_millis() as u64, Ordering::Relaxed);
            }
        }
    });

    proxy.delay(Duration::from_millis(300));
    let calls = (0..6).map(|number| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.enqueue(NewTask::new("f", &number).unwrap()).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let sleep = Dequeue::from(["empty"]).timeout(Duration::from_millis(500));
    assert!(backend.queue().dequeue(sleep).await.unwrap().is_none());
    proxy.delay(Duration::ZERO);
    backend.close().await.unwrap();

    stop.store(true, Ordering::Relaxed);
    ticker.await.unwrap();
    // Each call took 600 ms or more; a loop that one of them blocked would have stood still for that long.
    let longest = longest.load(Ordering::Relaxed);
    assert!(longest < 300, "the loop stood still for {longest} ms");
}
