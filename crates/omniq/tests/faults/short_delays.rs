//! Issue 12, E4: short delays are kept, because a worker with free slots claims when a task is due.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{TestDb, heavy};

use crate::held_rows::PATIENCE;

/// Retries and snoozes after 100 to 700 ms, the only tasks of a worker that is idle in between: less than 20 ms late if the machine
/// has time for it, and all of them less late than a poll would be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_and_snoozes_come_when_they_are_due() {
    let _turn = heavy();
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let late = Arc::new(Mutex::new(Vec::new()));
    let due: Arc<Mutex<Option<Instant>>> = Arc::default();
    let (seen, next) = (Arc::clone(&late), Arc::clone(&due));
    let worker = Worker::builder(&backend)
        .concurrency(4)
        .register("f", move |snoozes: bool, _: Context| {
            let mut late = seen.lock().unwrap();
            if let Some(due) = next.lock().unwrap().take() {
                late.push(Instant::now().saturating_duration_since(due));
            }
            let run = late.len() as u64 % 7;
            let end = if run == 6 { None } else { Some(Duration::from_millis(100 + 100 * run)) };
            *next.lock().unwrap() = end.map(|delay| Instant::now() + delay);
            async move {
                match end {
                    None => Ok(()),
                    Some(delay) if snoozes => Err(Failure::snooze(delay)),
                    Some(delay) => Err(Failure::retry_in(delay).unlimited()),
                }
            }
        })
        .build()
        .unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    for snoozes in [false, true, false, true] {
        late.lock().unwrap().clear();
        let id = backend.enqueue(NewTask::new("f", &snoozes).unwrap()).await.unwrap();
        backend.wait(id, PATIENCE).await.unwrap();
        let mut late = late.lock().unwrap().clone();
        late.sort();
        println!("snoozes: {snoozes}; late by {late:?}");
        assert_eq!(late.len(), 6);
        assert!(late[0] < Duration::from_millis(20) && late[5] < Duration::from_millis(400), "{late:?}");
    }
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}
