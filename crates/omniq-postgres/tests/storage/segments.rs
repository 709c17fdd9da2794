//! Segments: which tasks share one, how a task is singled out, and what is left of them after a fault.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;
use omniq_postgres::{AsyncPostgresBackend, AsyncPostgresQueue};
use omniq_testkit::{TestDb, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

fn tasks(numbers: std::ops::Range<usize>) -> Vec<NewTask> {
    numbers.map(|number| NewTask::new("f", &number).unwrap()).collect()
}

async fn queue(db: &TestDb) -> AsyncPostgresQueue {
    AsyncPostgresQueue::connect(&db.url()).await.unwrap()
}

async fn rows(db: &TestDb) -> i64 {
    let sql = "select count(*) from omniq.tasks";
    db.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

async fn worker(queue: &AsyncPostgresQueue, lease: Duration) -> WorkerId {
    let mut info = WorkerInfo::new(["default"]);
    info.lease = lease;
    queue.register_worker(&info).await.unwrap()
}

fn number(task: &Task) -> usize {
    task.payload.decode().unwrap()
}

#[tokio::test]
async fn c20_what_is_enqueued_together_is_one_row_and_many_tasks() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let ids = queue.enqueue_many(tasks(0..1_000)).await.unwrap();
    assert_eq!(rows(&db).await, 1);
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 1_000);
    assert_eq!(queue.queues().await.unwrap()[0].ready, 1_000);
    let seen = queue.get(ids[700]).await.unwrap().unwrap();
    assert_eq!((seen.id, number(&seen)), (ids[700], 700));
    let page = TaskFilter { after: Some(ids[99]), limit: Some(5), ..TaskFilter::default() };
    let page: Vec<_> = queue.list(&page).await.unwrap().iter().map(number).collect();
    assert_eq!(page, [100, 101, 102, 103, 104]);
    // SQL sees the tasks as well.
    let sql = "select convert_from(payload, 'UTF8')::integer from omniq.task_list order by id";
    let listed = db.client().await.query(sql, &[]).await.unwrap();
    let listed: Vec<i32> = listed.iter().map(|row| row.get(0)).collect();
    assert_eq!(listed, (0..1_000).collect::<Vec<_>>());
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c15_the_order_holds_across_rows_of_every_kind() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let mut all = tasks(0..500);
    // Chosen ids, another function and another number of retries split the segments.
    for place in (7..500).step_by(31) {
        all[place].id = Some(TaskId::new());
    }
    for place in (0..500).step_by(17) {
        all[place].func = "g".to_owned();
    }
    for task in &mut all[200..210] {
        task.max_retries = 9;
    }
    let ids = queue.enqueue_many(all).await.unwrap();
    assert!(rows(&db).await < 200, "there are runs among them");
    // A task in the middle of a segment changes, and keeps its position in the queue.
    let update = TaskUpdate { max_retries: Some(1), ..TaskUpdate::default() };
    queue.update(ids[300], update).await.unwrap();
    let worker = worker(&queue, Duration::from_secs(60)).await;
    let mut seen = Vec::new();
    for limit in (1..).take_while(|limit| *limit < 40) {
        let claimed = queue.claim(worker, &Dequeue::from(["default"]).limit(limit)).await.unwrap();
        // Every second claim is released, and its tasks are next again.
        if limit % 2 == 0 {
            queue.release_many(&claimed).await.unwrap();
        } else {
            seen.extend(claimed.iter().map(|task| (task.id, number(task))));
        }
    }
    let expected: Vec<_> = ids.iter().copied().zip(0..).take(seen.len()).collect();
    assert_eq!(seen, expected);
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c20_a_bad_task_anywhere_leaves_no_rows() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let first = queue.enqueue_many(tasks(0..10)).await.unwrap();
    // The id of a task in the middle of a segment is in use.
    let one = NewTask::new("f", &1).unwrap().id(first[5]);
    assert!(queue.enqueue(one.clone()).await.unwrap_err().is_duplicate());
    let mut all = tasks(0..2_500);
    all[1_800] = one;
    assert!(queue.enqueue_many(all).await.unwrap_err().is_duplicate());
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 10);
    // And a call that is dropped leaves a connection that can be used.
    for pause in 0..20 {
        let call = queue.enqueue_many(tasks(0..3_000));
        let _ = tokio::time::timeout(Duration::from_micros(200 * pause), call).await;
        let found = queue.count(&TaskFilter::default()).await.unwrap();
        assert_eq!(found % 3_000, 10, "all or none");
    }
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c16_many_share_one_segment_and_each_gets_tasks() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    queue.enqueue_many(tasks(0..1_000)).await.unwrap();
    let claimers = (0..8).map(|_| {
        let url = db.url();
        tokio::spawn(async move {
            let queue = AsyncPostgresQueue::connect(&url).await.unwrap();
            let worker = worker(&queue, Duration::from_secs(60)).await;
            let mut mine = Vec::new();
            loop {
                let claimed = queue.claim(worker, &Dequeue::from(["default"]).limit(7)).await.unwrap();
                if claimed.is_empty() {
                    break;
                }
                queue.complete_many(&claimed).await.unwrap();
                mine.extend(claimed.iter().map(number));
            }
            queue.close().await.unwrap();
            mine
        })
    });
    let mut seen = HashSet::new();
    for claimer in claimers.collect::<Vec<_>>() {
        for number in claimer.await.unwrap() {
            assert!(seen.insert(number), "{number} was claimed twice");
        }
    }
    assert_eq!(seen.len(), 1_000);
    assert_eq!(rows(&db).await, 0, "no empty row is left behind");
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c16_two_workers_share_a_run_of_slow_tasks_evenly() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let counts: Vec<_> = (0..2).map(|_| Arc::new(std::sync::atomic::AtomicUsize::new(0))).collect();
    let mut running = Vec::new();
    for count in &counts {
        let count = Arc::clone(count);
        let worker = Worker::builder(&backend)
            .concurrency(10)
            .register("f", move |_: usize, _: Context| {
                let count = Arc::clone(&count);
                async move {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    Ok::<_, Failure>(())
                }
            })
            .build()
            .unwrap();
        running.push((worker.handle(), tokio::spawn(worker.run())));
    }
    backend.enqueue_many(tasks(0..1_000)).await.unwrap();
    eventually("all is done", PATIENCE, async || (rows(&db).await == 0).then_some(())).await;
    for (stop, running) in running {
        stop.stop();
        running.await.unwrap().unwrap();
    }
    let done: Vec<_> = counts.iter().map(|count| count.load(std::sync::atomic::Ordering::Relaxed)).collect();
    assert_eq!(done.iter().sum::<usize>(), 1_000);
    assert!(done.iter().all(|done| *done >= 400), "{done:?}");
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c17_of_a_lost_slice_only_what_was_not_settled_runs_again() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    queue.enqueue_many(tasks(0..1_000)).await.unwrap();
    let doomed = worker(&queue, Duration::from_millis(300)).await;
    let held = queue.claim(doomed, &Dequeue::from(["default"]).limit(100)).await.unwrap();
    let settled: Vec<_> = held.iter().filter(|task| number(task) % 5 < 3).cloned().collect();
    queue.complete_many(&settled).await.unwrap();
    let lost = eventually("the lease ends", PATIENCE, async || {
        let lost = queue.lost(1_000).await.unwrap();
        (!lost.is_empty()).then_some(lost)
    })
    .await;
    let numbers: Vec<_> = lost.iter().map(|lost| number(&lost.task)).collect();
    assert_eq!(numbers, (0..100).filter(|number| number % 5 >= 3).collect::<Vec<_>>());
    let back = lost.iter().map(|lost| {
        let outcome = Outcome::RetryLater { delay: Duration::ZERO, error: None };
        Settlement::new(lost.task.id, lost.task.claim, outcome)
    });
    let answers = queue.settle(&back.collect::<Vec<_>>(), SettleMode::Each).await.unwrap();
    assert_eq!(answers, vec![Settled::Done; 40]);
    assert!(queue.complete_many(&held[3..5]).await.unwrap_err().is_claim_lost(), "it comes too late");
    // They come before the tasks that followed them, in their order, each once.
    let next = worker(&queue, Duration::from_secs(60)).await;
    let claimed = queue.claim(next, &Dequeue::from(["default"]).limit(10_000)).await.unwrap();
    let expected: Vec<_> = numbers.into_iter().chain(100..1_000).collect();
    assert_eq!(claimed.iter().map(number).collect::<Vec<_>>(), expected);
    assert_eq!(claimed.iter().filter(|task| task.attempt == 2).count(), 40);
    queue.complete_many(&claimed).await.unwrap();
    assert_eq!(rows(&db).await, 0);
    queue.close().await.unwrap();
}

/// Of one segment some tasks complete, some fail for good, some are retried, all in one batch, with a result for each.
#[tokio::test]
async fn c20_a_run_that_ends_in_many_ways_is_settled_in_one_batch() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let queue = backend.queue();
    let ids = backend.enqueue_many(tasks(0..300)).await.unwrap();
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let held = queue.claim(worker, &Dequeue::from(["default"]).limit(300)).await.unwrap();
    let error = || TaskError::new("boom", "it went wrong");
    let settlements = held.iter().map(|task| {
        let outcome = match number(task) % 4 {
            0 => Outcome::Complete,
            1 => Outcome::Fail { error: error() },
            2 => {
                Outcome::RetryLater { delay: Duration::from_secs(number(task) as u64), error: Some(error()) }
            }
            _ => Outcome::Release,
        };
        let result = number(task).is_multiple_of(4).then(|| {
            let mut result = TaskResult::new(task.id, ResultStatus::Completed);
            result.value = Some(Payload::json(&number(task)).unwrap());
            result
        });
        Settlement { result, ..Settlement::new(task.id, task.claim, outcome) }
    });
    let answers = queue.settle(&settlements.collect::<Vec<_>>(), SettleMode::All).await.unwrap();
    assert_eq!(answers, vec![Settled::Done; 300]);
    let of = async |state| {
        let filter = TaskFilter { state: Some(state), ..TaskFilter::default() };
        queue.count(&filter).await.unwrap()
    };
    assert_eq!(
        (of(TaskState::Dead).await, of(TaskState::Scheduled).await, of(TaskState::Ready).await),
        (75, 75, 75)
    );
    for (place, id) in ids.iter().enumerate() {
        let task = queue.get(*id).await.unwrap();
        let result = backend.results().unwrap().get(*id).await.unwrap();
        match place % 4 {
            0 => {
                assert!(task.is_none());
                assert_eq!(result.unwrap().value.unwrap().decode::<usize>().unwrap(), place);
            }
            kind => {
                let task = task.unwrap();
                assert_eq!((task.attempt, number(&task)), (u32::from(kind != 3), place));
                assert!(result.is_none());
            }
        }
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c16_a_row_that_changes_under_a_claim_is_left_to_the_next_one_and_counted_once() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    for number in 0..3 {
        queue.enqueue_many(tasks(number * 10..number * 10 + 10)).await.unwrap();
    }
    let worker = worker(&queue, Duration::from_secs(60)).await;
    // The claim has begun: it has found the first segment, and waits for the row of its worker.
    let barrier = db.client().await;
    barrier.batch_execute("begin; select from omniq.workers for update").await.unwrap();
    let request = Dequeue::from(["default"]).limit(25);
    let claim = {
        let (queue, request) = (queue.clone(), request.clone());
        tokio::spawn(async move { queue.claim(worker, &request).await.unwrap() })
    };
    let other = db.client().await;
    let waits =
        "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%omniq: dequeue%'
                 and datname = current_database()";
    let waiting = async || (!other.query(waits, &[]).await.unwrap().is_empty()).then_some(());
    eventually("the claim waits", PATIENCE, waiting).await;
    let second = "(select t.id from omniq.tasks t order by t.seq offset 1 limit 1)";
    let changed = format!("update omniq.tasks set max_retries = 9 where id = {second}");
    assert_eq!(other.execute(&changed, &[]).await.unwrap(), 1);
    barrier.batch_execute("rollback").await.unwrap();

    let seen = claim.await.unwrap();
    let ready = queue.queues().await.unwrap()[0].ready;
    assert_eq!(ready as usize, 30 - seen.len());
    let rest = queue.claim(worker, &request).await.unwrap();
    let all: Vec<_> = seen.iter().chain(&rest).collect();
    assert_eq!(all.len(), 30);
    assert_eq!(all.iter().map(|task| number(task)).collect::<HashSet<_>>(), (0..30).collect());
    let as_changed = |task: &&&Task| (10..20).contains(&number(task));
    assert!(all.iter().filter(as_changed).all(|task| task.max_retries == 9), "{all:?}");
    let stats = &queue.queues().await.unwrap()[0];
    assert_eq!((stats.ready, stats.running), (0, 30));
    queue.close().await.unwrap();
}

/// Found by the histories: a lookup by id read a bit of another segment, beyond its end. An index keeps such rows away, unless the planner
/// finds another plan cheaper.
#[tokio::test]
async fn c20_a_task_is_found_whatever_the_plan_reads() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let first = queue.enqueue_many(tasks(0..60)).await.unwrap();
    // Leaves a row that begins with the 51st task.
    queue.update(first[50], TaskUpdate { priority: Some(1), ..TaskUpdate::default() }).await.unwrap();
    queue.delete(first[53]).await.unwrap();
    let held = queue.dequeue_many(Dequeue::from(["default"]).limit(1)).await.unwrap();
    let client = db.client().await;
    let cut = "update omniq.tasks set removed = set_bit((repeat('0', count))::bit varying, 0, 1)
               where worker is null and count between 2 and 10 returning id";
    let mut gone = vec![first[53]];
    gone.extend(
        client.query(cut, &[]).await.unwrap().iter().map(|row| TaskId::from(row.get::<_, uuid::Uuid>(0))),
    );
    assert!(gone.len() > 1 && held.len() == 1);
    // Behind those rows, where a scan of the table meets them first.
    let second = queue.enqueue_many(tasks(60..80)).await.unwrap();
    client
        .batch_execute(
            "set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off",
        )
        .await
        .unwrap();
    let all: Vec<uuid::Uuid> = first.iter().chain(&second).map(TaskId::as_uuid).collect();
    let found = "select i from unnest($1::uuid[]) i, omniq.segment_of(i)";
    let found: HashSet<uuid::Uuid> =
        client.query(found, &[&all]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected = all.into_iter().filter(|id| !gone.contains(&TaskId::from(*id))).collect();
    assert_eq!(found, expected);
}
