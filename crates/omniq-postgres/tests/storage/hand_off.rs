//! Lone tasks that are handed off to an idle worker: which tasks are, that they arrive whole, and what happens if they do not arrive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omniq_core::*;
use omniq_postgres::{AsyncPostgresBackend, AsyncPostgresQueue};
use omniq_testkit::{TestDb, eventually};
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a notification to arrive, and short enough to wait for one that does not.
const WHILE: Duration = Duration::from_millis(300);

async fn queue(db: &TestDb) -> AsyncPostgresQueue {
    AsyncPostgresQueue::connect(&db.url()).await.unwrap()
}

fn send() -> NewTask {
    NewTask::new("send", &("ann@example.org", 3)).unwrap()
}

/// A worker that the test drives: idle on the queues `a` and `default`, with the function `send`.
struct Sleeper {
    queue: AsyncPostgresQueue,
    worker: WorkerId,
    handoff: Box<dyn Handoff>,
    bell: Box<dyn Subscription>,
}

impl Sleeper {
    async fn new(db: &TestDb) -> Self {
        let queue = queue(db).await;
        let queues = ["a".to_owned(), "default".to_owned()];
        let worker = queue.register_worker(&WorkerInfo::new(queues.clone())).await.unwrap();
        let handoff = queue.handoff(worker, &["send".to_owned()]);
        let mut bell = queue.subscribe(worker, &queues).await.unwrap();
        // The listener's first connection wakes the subscription once, because it may have missed notifications before.
        bell.wait(WHILE).await;
        Self { queue, worker, handoff, bell }
    }

    async fn next(&mut self) -> Option<Task> {
        let tasks = tokio::time::timeout(WHILE, self.handoff.next()).await.ok()?;
        assert_eq!(tasks.len(), 1);
        tasks.into_iter().next()
    }
}

/// `ready` and `running` from the counts, and the worker that holds the task.
async fn seen(db: &TestDb, id: TaskId) -> (i64, i64, Option<i64>) {
    let client = db.client().await;
    let counts =
        "select coalesce(sum(ready), 0)::bigint, coalesce(sum(running), 0)::bigint from omniq.queue_counts";
    let counts = client.query_one(counts, &[]).await.unwrap();
    let worker =
        client.query_one("select worker from omniq.tasks where id = $1", &[&id.as_uuid()]).await.unwrap();
    (counts.get(0), counts.get(1), worker.get(0))
}

#[tokio::test]
async fn c15_all_of_a_task_reaches_a_worker_that_sleeps_already_claimed() {
    let db = TestDb::new().await;
    let mut sleeper = Sleeper::new(&db).await;
    let client = queue(&db).await;
    let mut whole = send().queue("a").priority(7).ttl(Duration::from_secs(90)).max_retries(5);
    whole.timeout = Some(Duration::from_millis(1_500));
    whole.backoff = Some(Backoff::fixed(Duration::from_secs(3)));
    whole.metadata.insert("trace \"é\"".to_owned(), 1.into());
    for task in [whole, send()] {
        let id = client.enqueue(task).await.unwrap();
        assert_eq!(seen(&db, id).await, (0, 1, Some(sleeper.worker.0)), "held as soon as it is there");
        let handed = sleeper.next().await.expect("it was handed over");
        assert_eq!(Some(&handed), client.get(id).await.unwrap().as_ref(), "every field of it");
        assert_eq!((handed.attempt, handed.state), (1, TaskState::Running));
        sleeper.queue.complete(&handed).await.unwrap();
        assert_eq!(client.get(id).await.unwrap(), None);
    }
    let slept = std::time::Instant::now();
    sleeper.bell.wait(WHILE).await;
    assert!(slept.elapsed() >= WHILE, "for a task that was handed over no bell rings");
    client.close().await.unwrap();
    sleeper.queue.close().await.unwrap();
}

#[tokio::test]
async fn c15_what_a_waiting_dequeue_cannot_take_is_ready_for_all() {
    let db = TestDb::new().await;
    let mut sleeper = Sleeper::new(&db).await;
    let client = queue(&db).await;
    client.pause("a").await.unwrap();
    let large = NewTask::new("send", &"x".repeat(4_000)).unwrap();
    for (what, task) in [
        ("of a function that it does not have", NewTask::new("other", &1).unwrap()),
        ("of a queue that it does not serve", send().queue("b")),
        ("of a paused queue", send().queue("a")),
        ("larger than a notification", large),
    ] {
        let id = client.enqueue(task).await.unwrap();
        assert_eq!(client.get(id).await.unwrap().unwrap().state, TaskState::Ready, "{what}");
    }
    let later = client.enqueue(send().delay(PATIENCE)).await.unwrap();
    assert_eq!(client.get(later).await.unwrap().unwrap().state, TaskState::Scheduled);
    let both = client.enqueue_many(vec![send(), send()]).await.unwrap();
    assert_eq!(client.get(both[0]).await.unwrap().unwrap().state, TaskState::Ready, "two together");
    assert!(sleeper.next().await.is_none());

    drop(sleeper.bell);
    eventually("it is known to be awake", PATIENCE, async || {
        let id = client.enqueue(send()).await.unwrap();
        (client.get(id).await.unwrap()?.state == TaskState::Ready).then_some(())
    })
    .await;
    client.close().await.unwrap();
    sleeper.queue.close().await.unwrap();
}

#[tokio::test]
async fn c17_a_worker_that_deregisters_releases_what_it_has_not_taken_yet() {
    let db = TestDb::new().await;
    let sleeper = Sleeper::new(&db).await;
    let client = queue(&db).await;
    let id = client.enqueue(send()).await.unwrap();
    assert_eq!(seen(&db, id).await.2, Some(sleeper.worker.0));
    assert_eq!(sleeper.queue.deregister_worker(sleeper.worker).await.unwrap(), 1);
    let task = client.get(id).await.unwrap().unwrap();
    assert_eq!((task.state, task.attempt), (TaskState::Ready, 0));
    // Nothing is handed off any more.
    let id = client.enqueue(send()).await.unwrap();
    assert_eq!(client.get(id).await.unwrap().unwrap().state, TaskState::Ready);
    sleeper.queue.close().await.unwrap();
    client.close().await.unwrap();
}

/// A worker that counts the runs of each task.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<HashMap<TaskId, u32>>>);

impl Runs {
    fn of(&self, id: TaskId) -> u32 {
        self.0.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    fn worker(&self, backend: &AsyncPostgresBackend, slots: usize, gate: Option<Arc<Semaphore>>) -> Worker {
        let runs = self.clone();
        Worker::builder(backend)
            .concurrency(slots)
            .lease(Duration::from_secs(60))
            // The worker neither polls nor returns tasks because of their age: only the hand-off has an effect.
            .poll(PATIENCE)
            .prefetch_wait(PATIENCE * 2)
            .register("send", move |(_, _): (String, i64), context: Context| {
                *runs.0.lock().unwrap().entry(context.id()).or_default() += 1;
                let gate = gate.clone();
                async move {
                    if let Some(gate) = gate {
                        gate.acquire().await?.forget();
                    }
                    Ok::<_, Failure>(context.attempt())
                }
            })
            .build()
            .unwrap()
    }
}

async fn channel(client: &tokio_postgres::Client) -> String {
    let view = client.query_one("select pg_get_viewdef('omniq.listeners')", &[]).await.unwrap();
    let text: String = view.get(0);
    let from = text.find("omniq_").unwrap();
    text[from..from + 22].to_owned()
}

async fn sleeping(db: &TestDb, workers: i64) {
    let client = db.client().await;
    let channel = channel(&client).await;
    eventually("all sleep", PATIENCE, async || {
        let sql =
            "select count(*) from omniq.workers k where pg_catalog.to_regclass('omniq.tasks') is not null
                   and not pg_try_advisory_lock(hashtext($1 || ' inboxes'), (k.id & 2147483647)::integer)";
        let asleep: i64 = client.query_one(sql, &[&channel]).await.unwrap().get(0);
        client.batch_execute("select pg_advisory_unlock_all()").await.unwrap();
        (asleep == workers).then_some(())
    })
    .await;
}

#[tokio::test]
async fn c17_a_task_whose_notification_is_lost_runs_once_all_the_same() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let runs = Runs::default();
    let worker = runs.worker(&backend, 2, None);
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    sleeping(&db, 1).await;

    let client = queue(&db).await;
    // The notification goes to a channel on which no session listens.
    let admin = db.client().await;
    admin.batch_execute("update omniq.workers set channel = 'omniq_elsewhere'").await.unwrap();
    let id = client.enqueue(send()).await.unwrap();
    assert_eq!(
        client.get(id).await.unwrap().unwrap().state,
        TaskState::Running,
        "handed over, and not heard"
    );
    tokio::time::sleep(WHILE).await;
    assert_eq!(runs.of(id), 0);
    admin.batch_execute("select pg_terminate_backend(pid) from omniq.listeners").await.unwrap();
    // Long before its lease ends.
    eventually("it has run", Duration::from_secs(20), async || {
        client.get(id).await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(runs.of(id), 1);
    handle.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
    client.close().await.unwrap();
}

#[tokio::test]
async fn c17_what_meets_a_worker_without_a_free_slot_goes_back_at_once() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let (runs, gate) = (Runs::default(), Arc::new(Semaphore::new(0)));
    let worker = runs.worker(&backend, 1, Some(Arc::clone(&gate)));
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    sleeping(&db, 1).await;
    let client = queue(&db).await;
    let first = client.enqueue(send()).await.unwrap();
    eventually("it runs", PATIENCE, async || (runs.of(first) == 1).then_some(())).await;
    sleeping(&db, 0).await;

    // Opens the inbox, which the worker itself has closed.
    let other = db.client().await;
    let asleep =
        format!("select pg_advisory_lock_shared(hashtext('{}'), hashtext('default'))", channel(&other).await);
    other.batch_execute(&format!("{asleep}; select omniq.open_inbox(id) from omniq.workers")).await.unwrap();
    let second = client.enqueue(send()).await.unwrap();
    let claims: i32 = {
        let sql = "select claims from omniq.tasks where id = $1";
        other.query_one(sql, &[&second.as_uuid()]).await.unwrap().get(0)
    };
    assert_eq!(claims, 1, "it was handed over");
    eventually("it is ready again", PATIENCE, async || {
        let task = client.get(second).await.unwrap()?;
        (task.state == TaskState::Ready && task.attempt == 0).then_some(())
    })
    .await;
    assert_eq!(runs.of(second), 0);
    drop(other);
    gate.add_permits(2);
    eventually("both are done", PATIENCE, async || client.get(second).await.unwrap().is_none().then_some(()))
        .await;
    assert_eq!((runs.of(first), runs.of(second)), (1, 1));
    handle.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
    client.close().await.unwrap();
}

#[tokio::test]
async fn c16_lone_tasks_from_many_for_many_small_workers_run_once_each() {
    let db = TestDb::new().await;
    let runs = Runs::default();
    let (mut backends, mut handles, mut running) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
        let worker = runs.worker(&backend, 1, None);
        handles.push(worker.handle());
        running.push(tokio::spawn(worker.run()));
        backends.push(backend);
    }
    sleeping(&db, 3).await;
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let url = db.url();
            tokio::spawn(async move {
                let queue = AsyncPostgresQueue::connect(&url).await.unwrap();
                let mut ids = Vec::new();
                for round in 0..50_u64 {
                    ids.push(queue.enqueue(send()).await.unwrap());
                    tokio::time::sleep(Duration::from_millis((caller + round) % 4)).await;
                }
                queue.close().await.unwrap();
                ids
            })
        })
        .collect();
    let mut ids = Vec::new();
    for caller in callers {
        ids.extend(caller.await.unwrap());
    }
    let client = queue(&db).await;
    eventually("all are done", PATIENCE, async || {
        (client.count(&TaskFilter::default()).await.unwrap() == 0).then_some(())
    })
    .await;
    assert!(ids.iter().all(|id| runs.of(*id) == 1));
    handles.iter().for_each(WorkerHandle::stop);
    for running in running {
        running.await.unwrap().unwrap();
    }
    for backend in backends {
        backend.close().await.unwrap();
    }
    client.close().await.unwrap();
}

/// A role that may enqueue hands off tasks without the right to read them. A role that may not enqueue cannot add tasks by `hand_off`, and
/// neither can read the channels.
#[tokio::test]
async fn c27_a_hand_off_needs_the_right_to_enqueue_and_gives_no_other() {
    let db = TestDb::new().await;
    let mut sleeper = Sleeper::new(&db).await;
    let (admin, name) = (db.client().await, format!("lone_{}", db.name()));
    let grants = format!(
        "create role {name} login password 'secret'; grant usage on schema omniq to {name};
         grant select on omniq.migrations to {name}; grant insert on omniq.count_deltas to {name}"
    );
    admin.batch_execute(&grants).await.unwrap();
    let by_hand = "select omniq.hand_off(gen_random_uuid(), 'default', 'send', 'json', '[]', 0::smallint, 3, null, null, null)";
    admin.batch_execute(&format!("set role {name}")).await.unwrap();
    let refused = admin.simple_query(by_hand).await.unwrap_err();
    assert_eq!(
        refused.code().map(|code| code.code()),
        Some("42501"),
        "not without the right to: {refused:?}"
    );
    assert!(admin.batch_execute("select channel from omniq.workers").await.is_err());
    admin.batch_execute("reset role").await.unwrap();
    assert!(sleeper.next().await.is_none());

    let grants = format!(
        "grant insert on omniq.tasks to {name};
         grant execute on function omniq.id_in_use, omniq.hand_off, omniq.roll_up_counts to {name}"
    );
    admin.batch_execute(&grants).await.unwrap();
    let url = db.url();
    let (_, address) = url.rsplit_once('@').unwrap();
    let client = AsyncPostgresQueue::connect(&format!("postgresql://{name}:secret@{address}")).await.unwrap();
    let id = client.enqueue(send()).await.unwrap();
    assert_eq!(sleeper.next().await.expect("it was handed over").id, id);
    client.close().await.unwrap();
    sleeper.queue.close().await.unwrap();
    admin.batch_execute(&format!("drop owned by {name}; drop role {name}")).await.unwrap();
}

/// Found by timing tests: one in a hundred stops of a worker took two seconds.
#[tokio::test]
async fn a_worker_that_leaves_before_it_listens_leaves_at_once() {
    let db = TestDb::new().await;
    for _ in 0..5 {
        // Its listening connection is opened beside the rest.
        let queue = queue(&db).await;
        let queues = ["default".to_owned()];
        let worker = queue.register_worker(&WorkerInfo::new(queues.clone())).await.unwrap();
        let _handoff = queue.handoff(worker, &["send".to_owned()]);
        drop(queue.subscribe(worker, &queues).await.unwrap());
        let begun = Instant::now();
        queue.deregister_worker(worker).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        queue.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_task_is_handed_off_with_all_its_options() {
    let db = TestDb::new().await;
    let mut sleeper = Sleeper::new(&db).await;
    let client = queue(&db).await;
    let task = send()
        .backoff(Backoff::fixed(Duration::from_secs(7)))
        .timeout(Duration::from_secs(9))
        .ttl(Duration::from_secs(60))
        .metadata("tenant", "acme")
        .callback(Callback::new([EndKind::Success], "after"));
    let id = client.enqueue(task).await.unwrap();
    let handed = sleeper.next().await.expect("it was handed off");
    let read = client.get(id).await.unwrap().unwrap();
    assert_eq!(handed, read);
    assert_eq!(handed.callbacks.len(), 1);
    client.close().await.unwrap();
    sleeper.queue.close().await.unwrap();
}
