//! Ended tasks ring those who wait for them, and nobody else. No wait of these tests looks because of the time alone, so a ring that is lost
//! lets it run into its timeout.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use omniq_core::*;
use omniq_postgres::settings::{Placement, Settings};
use omniq_postgres::{AsyncPostgresBackend, AsyncPostgresQueue};
use omniq_testkit::{Pooler, TestDb, eventually};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

const LONG: Duration = Duration::from_secs(30);

async fn open(db: &TestDb) -> AsyncPostgresBackend {
    omniq_core::ends::rely_on_rings();
    AsyncPostgresBackend::connect(&db.url()).await.unwrap()
}

fn wait(backend: &Backend, id: TaskId) -> JoinHandle<Result<TaskResult>> {
    let backend = backend.clone();
    tokio::spawn(async move { backend.wait(id, LONG).await })
}

fn tasks(count: i64) -> Vec<NewTask> {
    (0..count).map(|n| NewTask::new("noop", &n).unwrap()).collect()
}

async fn work(backend: &Backend) {
    let noop = |n: i64, _: Context| async move { Ok::<_, Failure>(n) };
    Worker::builder(backend).register("noop", noop).build().unwrap().run_until_idle().await.unwrap();
}

/// The locks of waits, one for each name.
async fn locks(client: &Client) -> i64 {
    let count = "select count(*) from pg_locks
        where locktype = 'advisory' and objsubid = 2 and database = (select oid from pg_database where datname = current_database())
          and classid::bigint = hashtext('omniq_' || $1 || ' ends')::bigint & 4294967295";
    let channel = "select replace(substring(pg_get_functiondef('omniq.has_waits'::regproc) from 'omniq_[0-9a-f]{16}'), 'omniq_', '')";
    let channel: String = client.query_one(channel, &[]).await.unwrap().get(0);
    client.query_one(count, &[&channel]).await.unwrap().get(0)
}

/// Waits that begin before, beside and after the ends of their tasks, for one and for many, while several settle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c23_no_ring_is_lost_between_waits_and_settlements() {
    let db = TestDb::new().await;
    let (waits, settles) = (open(&db).await, open(&db).await);
    for round in 0..4 {
        let mut ids = Vec::new();
        for task in tasks(20) {
            ids.push(waits.enqueue(task).await.unwrap());
        }
        ids.extend(waits.enqueue_many(tasks(60)).await.unwrap());
        let many = tokio::spawn(waits.wait_many(&ids, LONG).try_fold(0, async |seen, _| Ok(seen + 1)));
        let mut begun: Vec<_> = ids.iter().step_by(3).map(|id| wait(&waits, *id)).collect();
        if round % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (one, other) = (settles.backend().clone(), waits.backend().clone());
        let settlers =
            [tokio::spawn(async move { work(&one).await }), tokio::spawn(async move { work(&other).await })];
        for ids in ids.chunks(16) {
            begun.extend(ids.iter().skip(1).step_by(3).map(|id| wait(&waits, *id)));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        for settler in settlers {
            settler.await.unwrap();
        }
        begun.extend(ids.iter().skip(2).step_by(3).map(|id| wait(&waits, *id)));
        for one in begun {
            one.await.unwrap().unwrap();
        }
        assert_eq!(many.await.unwrap().unwrap(), ids.len());
    }
    waits.close().await.unwrap();
    settles.close().await.unwrap();
}

/// However the task ends, and where no result tells: each wait ends by a ring. One connection listens, however many wait, and no lock stays.
#[tokio::test]
async fn c23_every_end_rings_and_waits_leave_nothing() {
    let db = TestDb::new().await;
    let (waits, other, client) = (open(&db).await, open(&db).await, db.client().await);
    let queue = other.queue();
    let mut ids = Vec::new();
    for n in 0..8 {
        let task = NewTask::new("noop", &n).unwrap().max_retries(0).priority(10 - n);
        let task = if n == 4 { task.ttl(Duration::from_millis(400)) } else { task };
        ids.push(other.enqueue(task).await.unwrap());
    }
    let begun: Vec<_> = ids.iter().map(|id| wait(&waits, *id)).collect();
    let left = tokio::spawn(
        waits.wait_many(&other.enqueue_many(tasks(50)).await.unwrap(), LONG).try_collect::<Vec<_>>(),
    );
    eventually("all are subscribed", LONG, async || (locks(&client).await >= 10).then_some(())).await;
    let listening = "select count(*) from pg_stat_activity where datname = current_database() and query like '%omniq: writers%' and pid <> pg_backend_pid()";
    let listening: i64 = client.query_one(listening, &[]).await.unwrap().get(0);
    assert_eq!(listening, 1, "one connection for all waits");

    let claimed = queue.dequeue_many(Dequeue::from(["default"]).limit(3)).await.unwrap();
    assert_eq!(claimed.iter().map(|task| task.id).collect::<Vec<_>>(), ids[..3]);
    other.complete(&claimed[0], None).await.unwrap();
    other.fail(&claimed[1], TaskError::new("E", "broken")).await.unwrap();
    // In a transaction of the user.
    let mut own = db.client().await;
    let mut own = own.transaction().await.unwrap();
    other.complete_in(&mut own, &claimed[2], None).await.unwrap();
    own.commit().await.unwrap();
    other.cancel(ids[3]).await.unwrap();
    // Without results: by the verbs of the queue alone.
    queue.delete(ids[5]).await.unwrap();
    queue.cancel(ids[6]).await.unwrap();
    let kept =
        queue.purge(&TaskFilter { func: Some("other".to_owned()), ..TaskFilter::default() }).await.unwrap();
    assert_eq!(kept, 0);
    tokio::time::sleep(Duration::from_millis(400)).await;
    work(&other).await;
    queue.purge(&TaskFilter::default()).await.unwrap();

    let mut ends = Vec::new();
    for one in begun {
        ends.push(one.await.unwrap());
    }
    let statuses: Vec<_> = ends.iter().map(|end| end.as_ref().map(|result| result.status).ok()).collect();
    let [completed, failed] = [ResultStatus::Completed, ResultStatus::Failed].map(Some);
    let [cancelled, expired] = [ResultStatus::Cancelled, ResultStatus::Expired].map(Some);
    assert_eq!(statuses[..5], [completed, failed, completed, cancelled, expired]);
    assert_eq!(statuses[5..], [None, None, completed]);
    for end in &ends[5..7] {
        assert!(end.as_ref().is_err_and(Error::is_not_found), "{end:?}");
    }
    assert_eq!(left.await.unwrap().unwrap().len(), 50);

    // A wait that is dropped, or whose time is over, leaves no lock either.
    let id = other.enqueue(NewTask::new("never", &1).unwrap()).await.unwrap();
    let dropped = wait(&waits, id);
    assert!(waits.wait(id, Duration::from_millis(20)).await.unwrap_err().is_timeout());
    dropped.abort();
    eventually("the locks are released", LONG, async || (locks(&client).await == 0).then_some(())).await;
    waits.close().await.unwrap();
    other.close().await.unwrap();
}

/// A settlement that looked for waits before there was one, and is committed later: the wait looks when its transaction ends.
#[tokio::test]
async fn c23_a_wait_that_begins_while_the_end_is_uncommitted_ends_with_the_commit() {
    let db = TestDb::new().await;
    let (waits, other) = (open(&db).await, open(&db).await);
    // So that the listening connection is there.
    let first = other.enqueue(NewTask::new("noop", &0).unwrap()).await.unwrap();
    let early = wait(&waits, first);
    work(&other).await;
    early.await.unwrap().unwrap();

    let id = other.enqueue(NewTask::new("noop", &1).unwrap()).await.unwrap();
    let task = other.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let mut own = db.client().await;
    let mut own = own.transaction().await.unwrap();
    other.complete_in(&mut own, &task, None).await.unwrap();
    let (one, also) = (wait(&waits, id), wait(&waits, id));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!one.is_finished());
    own.commit().await.unwrap();
    let committed = Instant::now();
    one.await.unwrap().unwrap();
    also.await.unwrap().unwrap();
    assert!(committed.elapsed() < Duration::from_secs(5), "{:?} after the commit", committed.elapsed());
    waits.close().await.unwrap();
    other.close().await.unwrap();
}

/// While the listening connection is away, and after it has come back.
#[tokio::test]
async fn c23_waits_outlast_the_end_of_the_listening_connection() {
    let db = TestDb::new().await;
    let (waits, other, client) = (open(&db).await, open(&db).await, db.client().await);
    let ids = other.enqueue_many(tasks(3)).await.unwrap();
    let begun: Vec<_> = ids.iter().map(|id| wait(&waits, *id)).collect();
    eventually("they are subscribed", LONG, async || (locks(&client).await >= 2).then_some(())).await;
    let mut claimed =
        other.queue().dequeue_many(Dequeue::from(["default"]).limit(3)).await.unwrap().into_iter();
    let kill = "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and objsubid = 2 and mode = 'ShareLock'
        and database = (select oid from pg_database where datname = current_database())";
    let killed: i64 = client.query_one(kill, &[]).await.unwrap().get(0);
    assert!(killed >= 2, "the connection holds the locks");
    other.complete(&claimed.next().unwrap(), None).await.unwrap();
    eventually("the locks are taken again", LONG, async || (locks(&client).await >= 2).then_some(())).await;
    for task in claimed {
        other.complete(&task, None).await.unwrap();
    }
    for one in begun {
        one.await.unwrap().unwrap();
    }
    waits.close().await.unwrap();
    other.close().await.unwrap();
}

/// Nothing is sent while nobody waits, nor for tasks of other base ids. Many base ids share one lock, and do not for long.
#[tokio::test]
async fn c23_nothing_rings_where_nobody_waits() {
    let db = TestDb::new().await;
    let (waits, other, client) = (open(&db).await, open(&db).await, db.client().await);
    let (listener, mut connection) =
        db.url().parse::<tokio_postgres::Config>().unwrap().connect(tokio_postgres::NoTls).await.unwrap();
    let rung = Arc::new(std::sync::Mutex::new(Vec::new()));
    tokio::spawn({
        let rung = Arc::clone(&rung);
        async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let tokio_postgres::AsyncMessage::Notification(message) = message {
                    rung.lock().unwrap().push(message.payload().to_owned());
                }
            }
        }
    });
    let channel: String = client
        .query_one(
            "select substring(pg_get_functiondef('omniq.ring'::regproc) from 'omniq_[0-9a-f]{16}')",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    listener.batch_execute(&format!("listen \"{channel}_ends\"")).await.unwrap();
    let heard = async || {
        // What was sent before arrives before this.
        listener.batch_execute(&format!("notify \"{channel}_ends\", 'last'")).await.unwrap();
        eventually("the last one", LONG, async || {
            rung.lock().unwrap().iter().any(|text| text == "last").then_some(())
        })
        .await;
        let mut rung = std::mem::take(&mut *rung.lock().unwrap());
        rung.retain(|text| text != "last");
        rung
    };

    other.enqueue_many(tasks(100)).await.unwrap();
    work(&other).await;
    assert_eq!(heard().await, Vec::<String>::new(), "nobody waits");

    let id = other.enqueue(NewTask::new("later", &1).unwrap()).await.unwrap();
    let one = wait(&waits, id);
    eventually("it is subscribed", LONG, async || (locks(&client).await == 2).then_some(())).await;
    other.enqueue_many(tasks(100)).await.unwrap();
    work(&other).await;
    assert_eq!(heard().await, Vec::<String>::new(), "nobody waits for these");
    other.cancel(id).await.unwrap();
    one.await.unwrap().unwrap();
    assert_eq!(heard().await, [format!("{id} 0")]);

    let mut ids = Vec::new();
    for task in tasks(40) {
        ids.push(other.enqueue(task).await.unwrap());
    }
    let begun: Vec<_> = ids.iter().map(|id| wait(&waits, *id)).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(locks(&client).await <= 34, "40 base ids");
    let last = other.enqueue(NewTask::new("later", &1).unwrap()).await.unwrap();
    work(&other).await;
    for one in begun {
        one.await.unwrap().unwrap();
    }
    let one = wait(&waits, last);
    eventually("the lock for all is gone", LONG, async || {
        let all = "select 1 from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
            and objid::bigint = hashtext('*')::bigint & 4294967295";
        client.query(all, &[]).await.unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(locks(&client).await, 2);
    heard().await;
    other.enqueue_many(tasks(10)).await.unwrap();
    work(&other).await;
    assert_eq!(heard().await, Vec::<String>::new(), "the lock for all tasks is released");
    other.cancel(last).await.unwrap();
    one.await.unwrap().unwrap();
    waits.close().await.unwrap();
    other.close().await.unwrap();
}

/// Tasks and results in different databases: a dead letter's result rings before its task has ended, which rings as well.
#[tokio::test]
async fn c23_ends_ring_where_results_are_kept_elsewhere() {
    let (db, elsewhere) = (TestDb::new().await, TestDb::new().await);
    omniq_core::ends::rely_on_rings();
    let settings = Settings::builder()
        .url(db.url())
        .results(Placement::Url(elsewhere.url().parse().unwrap()))
        .build()
        .unwrap();
    let waits = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let other = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let once = tasks(3).into_iter().map(|task| task.max_retries(0)).collect();
    let ids = other.enqueue_many(once).await.unwrap();
    let begun: Vec<_> = ids.iter().map(|id| wait(&waits, *id)).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let claimed = other.queue().dequeue_many(Dequeue::from(["default"]).limit(2)).await.unwrap();
    other.complete(&claimed[0], None).await.unwrap();
    let failed = TaskResult::new(claimed[1].id, ResultStatus::Failed);
    other.results().unwrap().store(failed).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!begun[1].is_finished(), "its task still runs");
    other.queue().fail(&claimed[1], TaskError::new("E", "broken")).await.unwrap();
    other.queue().delete(ids[2]).await.unwrap();
    let mut ends = Vec::new();
    for one in begun {
        ends.push(one.await.unwrap());
    }
    assert_eq!(ends[0].as_ref().unwrap().status, ResultStatus::Completed);
    assert_eq!(ends[1].as_ref().unwrap().status, ResultStatus::Failed);
    assert!(ends[2].as_ref().is_err_and(Error::is_not_found), "{:?}", ends[2]);
    waits.close().await.unwrap();
    other.close().await.unwrap();
}

/// Behind a pooler that shares its sessions nothing can listen: waits look at intervals.
#[tokio::test]
async fn c23_behind_a_pooler_waits_look_at_intervals() {
    let db = TestDb::new().await;
    let pooler = Pooler::start(&db, "");
    let other = open(&db).await;
    let waits = AsyncPostgresBackend::connect(pooler.url()).await.unwrap();
    assert!(waits.results().unwrap().ends().is_none());
    let ids = other.enqueue_many(tasks(2)).await.unwrap();
    let begun: Vec<_> = ids.iter().map(|id| wait(&waits, *id)).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    work(&other).await;
    for one in begun {
        one.await.unwrap().unwrap();
    }
    assert_eq!(locks(&db.client().await).await, 0);
    waits.close().await.unwrap();
    other.close().await.unwrap();
}

/// A close ends the waits, though nothing rings.
#[tokio::test]
async fn c13_close_ends_waits_that_rely_on_rings() {
    let db = TestDb::new().await;
    let waits = open(&db).await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let id = queue.enqueue(NewTask::new("noop", &1).unwrap()).await.unwrap();
    let (one, client) = (wait(&waits, id), db.client().await);
    eventually("it is subscribed", LONG, async || (locks(&client).await == 2).then_some(())).await;
    waits.close().await.unwrap();
    assert!(one.await.unwrap().unwrap_err().is_closed());
    queue.close().await.unwrap();
}

/// Found by a hostile reader: the listener had ended with its runtime, and nobody noticed.
#[test]
fn c23_waits_and_workers_in_another_runtime_do_without_that_of_the_first() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = runtime();
    let (db, backend) = first.block_on(async {
        let db = TestDb::new().await;
        let backend = open(&db).await;
        let (id, waiting) = (backend.enqueue(tasks(1).remove(0)).await.unwrap(), backend.clone());
        let waiting = tokio::spawn(async move { waiting.wait(id, LONG).await });
        work(&backend).await;
        waiting.await.unwrap().unwrap();
        (db, backend)
    });
    drop(first);
    runtime().block_on(async {
        for _ in 0..2 {
            let id = backend.enqueue(tasks(1).remove(0)).await.unwrap();
            let waiting = wait(&backend, id);
            // The first wait finds that the listener has ended, the second one relies on another.
            let client = db.client().await;
            eventually("it is subscribed", LONG, async || (locks(&client).await >= 2).then_some(())).await;
            let noop = |n: i64, _: Context| async move { Ok::<_, Failure>(n) };
            let worker = Worker::builder(&*backend).register("noop", noop).build().unwrap();
            let handle = worker.handle();
            let working = tokio::spawn(worker.run());
            waiting.await.unwrap().unwrap();
            handle.stop();
            working.await.unwrap().unwrap();
        }
        backend.close().await.unwrap();
    });
}
