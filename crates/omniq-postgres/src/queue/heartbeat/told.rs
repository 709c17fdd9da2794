//! Tests: what heartbeats tell of cancels, beside claims, and over connections that break.

use std::time::Duration;

use omniq_core::*;
use omniq_testkit::{Proxy, TestDb, eventually};

use super::PostgresHeartbeat;
use crate::AsyncPostgresQueue;
use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(20);

/// A queue behind a proxy, and a worker's heartbeat, which has told of the cancel of a task that the worker then has released.
struct Told {
    db: TestDb,
    proxy: Proxy,
    queue: AsyncPostgresQueue,
    worker: WorkerId,
    heartbeat: PostgresHeartbeat,
    asked: CancelRequest,
}

impl Told {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let (proxy, url) = Proxy::in_front_of(&db.url()).await;
        let settings = Settings::builder().url(url).pool_min(0);
        let queue = AsyncPostgresQueue::with_settings(&settings.build().unwrap()).await.unwrap();
        let info = WorkerInfo { lease: Duration::from_secs(60), ..WorkerInfo::new(["default"]) };
        let worker = queue.register_worker(&info).await.unwrap();
        queue.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap();
        let heartbeat = PostgresHeartbeat::new(&queue.inner.claims);
        let held = claim(&queue, worker).await;
        let mut told = Self { db, proxy, queue, worker, heartbeat, asked: CancelRequest::of(&held) };
        assert_eq!(told.queue.cancel(held.id).await.unwrap(), Cancelled::Requested);
        assert_eq!(told.tell().await, [told.asked]);
        told.queue.release(&held).await.unwrap();
        told
    }

    async fn tell(&mut self) -> Vec<CancelRequest> {
        self.heartbeat.heartbeat(self.worker, None).await.unwrap().cancelled
    }
}

async fn claim(queue: &AsyncPostgresQueue, worker: WorkerId) -> Task {
    queue.claim(worker, &Dequeue::from(["default"])).await.unwrap().pop().expect("a task is ready")
}

#[tokio::test]
async fn a_cancel_that_comes_while_an_earlier_one_is_forgotten_is_told() {
    let mut told = Told::new().await;
    assert_eq!(told.tell().await, [told.asked], "once more, after it has left");
    // The next heartbeat forgets it. It is under way while the task is claimed and cancelled again.
    told.queue.db().replace_idle();
    told.proxy.hold_open_ones(true);
    let mut beat = told.heartbeat.heartbeat(told.worker, None);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut beat).await.is_err());
    assert_eq!(CancelRequest::of(&claim(&told.queue, told.worker).await), told.asked);
    assert_eq!(told.queue.cancel(told.asked.task_id).await.unwrap(), Cancelled::Requested);
    told.proxy.hold_open_ones(false);
    assert_eq!(beat.await.unwrap().cancelled, [told.asked]);
    told.queue.close().await.unwrap();
}

/// Found by a hostile reader: the heartbeat that named a task for the last time forgot it, and its answer was lost.
#[tokio::test]
async fn what_was_told_by_a_lost_answer_is_told_again() {
    let mut told = Told::new().await;
    let client = told.db.client().await;
    let last = "select max(id) from omniq.heartbeats";
    let before: i64 = client.query_one(last, &[]).await.unwrap().get(0);
    told.proxy.lose_answers(true);
    let mut beat = told.heartbeat.heartbeat(told.worker, None);
    let executed = eventually("the heartbeat is executed", PATIENCE, async || {
        let now: i64 = client.query_one(last, &[]).await.unwrap().get(0);
        (now > before).then_some(())
    });
    tokio::select! {
        beat = &mut beat => panic!("{beat:?}"),
        () = executed => {}
    }
    told.proxy.cut();
    beat.await.unwrap_err();
    told.proxy.lose_answers(false);
    assert_eq!(told.tell().await, [told.asked]);
    // Then it is forgotten.
    told.tell().await;
    assert_eq!(told.tell().await, []);
    told.queue.close().await.unwrap();
}
