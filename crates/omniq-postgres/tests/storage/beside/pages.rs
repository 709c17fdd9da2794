//! Lists by state, page by page, while others change the state of tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::{Proxy, TestDb};

/// The number of tasks of each kind.
const TASKS: u32 = 200;
const PAGE: u32 = 10;

/// Claims the tasks that move and releases them, repeatedly.
async fn move_about(queue: AsyncPostgresQueue, over: Arc<AtomicBool>) {
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let request = Dequeue::from(["default"]).funcs(["moves"]).limit(TASKS / 2);
    while !over.load(Ordering::Relaxed) {
        let tasks = queue.claim(worker, &request).await.unwrap();
        queue.release_many(&tasks).await.unwrap();
    }
}

/// Tasks that stay ready, and tasks that are by turns ready and running, in rows of five. The pages list all tasks that stay, so only the
/// last page is short; the tasks of a page are in order, in the state that was asked for, and in no other page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_list_is_full_whatever_changes_beside_it() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    for _ in 0..TASKS / 5 {
        for func in ["moves", "stays"] {
            queue.enqueue_many(vec![NewTask::new(func, &()).unwrap(); 5]).await.unwrap();
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let movers: Vec<_> = (0..2).map(|_| tokio::spawn(move_about(queue.clone(), over.clone()))).collect();
    let (proxy, through) = Proxy::in_front_of(&db.url()).await;
    let reader = AsyncPostgresQueue::connect(&through).await.unwrap();
    // A list reads twice, rows and then their tasks: the delay leaves time for changes in between.
    proxy.delay(Duration::from_millis(3));
    for _ in 0..3 {
        let mut filter =
            TaskFilter { state: Some(TaskState::Ready), limit: Some(PAGE), ..TaskFilter::default() };
        let mut stay = 0;
        loop {
            let page = reader.list(&filter).await.unwrap();
            assert!(page.len() <= PAGE as usize && page.iter().all(|task| task.state == TaskState::Ready));
            for task in &page {
                assert!(filter.after.is_none_or(|before| before < task.id), "twice, or out of order");
                filter.after = Some(task.id);
            }
            stay += page.iter().filter(|task| task.func == "stays").count();
            if page.len() < PAGE as usize {
                break;
            }
        }
        assert_eq!(stay, TASKS as usize);
    }
    over.store(true, Ordering::Relaxed);
    for mover in movers {
        mover.await.unwrap();
    }
    reader.close().await.unwrap();
    queue.close().await.unwrap();
}
