//! C25, C26: events cost nothing if they are off, and never fail a task if they are on.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq_testkit::{Pooler, Proxy, TestDb};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::witness::{PATIENCE, echo_worker, exists, full, number};

/// Runs ten tasks: each has its result, has run once, and the queue is empty.
async fn assert_ten_tasks_run(backend: &AsyncPostgresBackend) {
    let tasks = (0..10).map(|i| NewTask::new("echo", &i).unwrap()).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    echo_worker(backend).run_until_idle().await.unwrap();
    for (i, id) in ids.into_iter().enumerate() {
        let result = backend.wait(id, PATIENCE).await.unwrap();
        assert_eq!((result.attempt, result.value.unwrap().decode::<usize>().unwrap()), (1, i));
    }
    assert_eq!(backend.queue().count(&omniq::TaskFilter::default()).await.unwrap(), 0);
}

#[tokio::test]
async fn c25_without_event_storage_there_is_no_table_and_no_row() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    assert_ten_tasks_run(&backend).await;
    let witness = db.client().await;
    assert!(!exists(&witness, "omniq.events").await);
    let named = "select count(*) from omniq.migrations where part = 'events'";
    assert_eq!(number(&witness, named).await, 0);
    assert!(backend.require_events().unwrap_err().is_config());

    // Another program with events on may share the schema: this one still writes none.
    let other = full(&db).await;
    assert_ten_tasks_run(&backend).await;
    assert_eq!(number(&witness, "select count(*) from omniq.events").await, 0);
    assert_ten_tasks_run(&other).await;
    assert_eq!(number(&witness, "select count(*) from omniq.events").await, 30);
    backend.close().await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test]
async fn c26_a_missing_event_table_fails_no_task() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    db.client().await.batch_execute("drop table omniq.events").await.unwrap();
    assert_ten_tasks_run(&backend).await;
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c26_an_event_table_that_refuses_fails_no_task() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let witness = db.client().await;
    let trouble = "create function trouble() returns trigger language plpgsql as
        $$ begin raise exception 'no room' using errcode = '53100'; end $$;
        create trigger trouble before insert on omniq.events for each row execute function trouble()";
    witness.batch_execute(trouble).await.unwrap();
    assert_ten_tasks_run(&backend).await;
    // The event storage is used again once it works.
    witness.batch_execute("drop trigger trouble on omniq.events").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_ten_tasks_run(&backend).await;
    assert_eq!(number(&witness, "select count(*) from omniq.events").await, 30);
    backend.close().await.unwrap();
}

/// While another session holds a lock on the events, and it does not end, tasks are enqueued and end without events, each within
/// seconds. None fails, is lost, or runs again.
async fn tasks_run_beside_a_lock_on_the_events(db: &TestDb, url: &str) {
    let settings = Settings::builder().url(url).events("postgres").build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    assert_ten_tasks_run(&backend).await;
    let mut locker = db.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table omniq.events").await.unwrap();
    let began = Instant::now();
    let run = tokio::time::timeout(Duration::from_secs(120), assert_ten_tasks_run(&backend)).await;
    run.expect("the tasks wait for the lock");
    println!("ten tasks beside a locked event table: {:?}", began.elapsed());
    lock.rollback().await.unwrap();
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c26_a_locked_event_table_fails_no_task() {
    let db = TestDb::new().await;
    tasks_run_beside_a_lock_on_the_events(&db, &db.url()).await;
}

/// Found by a hostile reader: the pins of a transaction took back the limit that its first statement had set.
#[tokio::test]
async fn c26_a_locked_event_table_fails_no_task_behind_a_pooler() {
    let db = TestDb::new().await;
    tasks_run_beside_a_lock_on_the_events(&db, Pooler::start(&db, "").url()).await;
}

/// Found by a hostile reader: the end of a task whose row was held wrote no event, and yet counted as one for which the events had room.
#[tokio::test]
async fn c26_an_end_that_others_hold_up_keeps_no_other_waiting_for_the_events() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let held = backend.enqueue(NewTask::new("wait", &0).unwrap()).await.unwrap();
    let free = backend.enqueue(NewTask::new("wait", &1).unwrap()).await.unwrap();
    let (begun, go) = (tokio::sync::watch::Sender::new(0), tokio::sync::watch::Sender::new(false));
    let mut both = begun.subscribe();
    let run = {
        let (begun, go) = (begun.clone(), go.clone());
        move |number: i32, _: Context| {
            let (begun, mut go) = (begun.clone(), go.subscribe());
            async move {
                begun.send_modify(|count| *count += 1);
                let _ = go.wait_for(|go| *go).await;
                Ok::<_, Failure>(number)
            }
        }
    };
    let worker = Worker::builder(&backend).register("wait", run).build().unwrap();
    let running = tokio::spawn(worker.run_until_idle());
    both.wait_for(|count| *count == 2).await.unwrap();
    // Their first events are written by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (row, table) = (db.client().await, db.client().await);
    row.batch_execute("begin").await.unwrap();
    row.query_one("select id from omniq.tasks where id = $1 for update", &[&held.as_uuid()]).await.unwrap();
    table.batch_execute("begin; lock table omniq.events").await.unwrap();
    go.send_replace(true);
    let ended = backend.wait(free, Duration::from_secs(90)).await.expect("it waits for the events");
    assert_eq!(ended.status, omniq::ResultStatus::Completed);
    for client in [&row, &table] {
        client.batch_execute("rollback").await.unwrap();
    }
    running.await.unwrap().unwrap();
    assert_eq!(backend.wait(held, PATIENCE).await.unwrap().attempt, 1);
    backend.close().await.unwrap();
}

/// Found by a newcomer: a cancel failed, because nothing repeated it until the events were given up.
#[tokio::test]
async fn c26_a_cancel_goes_past_a_locked_event_table() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let ids = backend.enqueue_many(vec![NewTask::new("echo", &1).unwrap(); 5]).await.unwrap();
    let mut locker = db.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table omniq.events").await.unwrap();
    let cancels = async { (backend.cancel(ids[2]).await, backend.cancel_many(&ids).await) };
    let (one, all) = tokio::time::timeout(Duration::from_secs(90), cancels).await.expect("they wait");
    use omniq::Cancelled::{Done, NotFound};
    assert_eq!((one.unwrap(), all.unwrap()), (Done, vec![Done, Done, NotFound, Done, Done]));
    for id in ids {
        assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, omniq::ResultStatus::Cancelled);
    }
    lock.rollback().await.unwrap();
    backend.close().await.unwrap();
}

/// Issue 12, C15: events of a run while another session holds a lock on the events are neither lost nor written after its end.
#[tokio::test]
async fn c26_events_of_a_run_wait_for_a_lock_in_their_order() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let id = backend.enqueue(NewTask::new("nap", &()).unwrap()).await.unwrap();
    let nap = |(): (), _: Context| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok::<_, Failure>(())
    };
    let worker = Worker::builder(&backend).register("nap", nap).build().unwrap();
    let mut locker = db.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table omniq.events").await.unwrap();
    let running = tokio::spawn(worker.run_until_idle());
    tokio::time::sleep(Duration::from_secs(4)).await;
    lock.rollback().await.unwrap();
    running.await.unwrap().unwrap();
    let filter = omniq::EventFilter { task_id: Some(id), ..Default::default() };
    let events = backend.require_events().unwrap().query(&filter).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.to_string()).collect();
    assert_eq!(kinds, ["enqueued", "started", "completed"]);
    backend.close().await.unwrap();
}

/// The database of the events does not answer, then is gone.
#[tokio::test]
async fn c26_an_event_database_that_is_away_fails_no_task() {
    let (db, events) = (TestDb::new().await, TestDb::new().await);
    let (proxy, url) = Proxy::in_front_of(&events.url()).await;
    let settings = Settings::builder().url(db.url()).events(&url).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    assert_ten_tasks_run(&backend).await;
    assert_eq!(number(&events.client().await, "select count(*) from omniq.events").await, 30);
    proxy.stall(true);
    assert_ten_tasks_run(&backend).await;
    proxy.stall(false);
    drop(proxy);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_ten_tasks_run(&backend).await;
    backend.close().await.unwrap();
}

/// A connection that passes the server's warnings on.
async fn warned(db: &TestDb) -> (Client, UnboundedReceiver<DbError>) {
    let (client, mut connection) = tokio_postgres::connect(&db.url(), NoTls).await.unwrap();
    let (notices, heard) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                let _ = notices.send(notice);
            }
        }
    });
    (client, heard)
}

/// While another session locks the events, or their partition of today, tasks are enqueued without events: by the library, alone, in
/// bulk and in the user's transaction, and by SQL, with a warning.
#[tokio::test]
async fn c26_an_enqueue_goes_past_a_locked_event_table() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let task = || NewTask::new("echo", &1).unwrap();
    backend.enqueue(task()).await.unwrap();
    let today = "select name from omniq.events_partitions where starts <= now() and ends > now()";
    let partition: String = witness.query_one(today, &[]).await.unwrap().get(0);
    for (round, table) in (1..).zip(["events", &partition]) {
        let (mut locker, mut user) = (db.client().await, db.client().await);
        let (client, mut warnings) = warned(&db).await;
        let lock = locker.transaction().await.unwrap();
        lock.batch_execute(&format!("lock table omniq.{table}")).await.unwrap();
        let inside = async {
            let mut transaction = user.transaction().await.unwrap();
            backend.enqueue_in(&mut transaction, task()).await.unwrap();
            transaction.commit().await.unwrap();
        };
        let began = Instant::now();
        let enqueues = futures_util::future::join4(
            backend.enqueue(task()),
            backend.enqueue_many(vec![task(); 5]),
            inside,
            client.query_one("select omniq.enqueue('echo', '1')", &[]),
        );
        let enqueues = tokio::time::timeout(Duration::from_secs(20), enqueues);
        let (single, bulk, (), sql) = enqueues.await.unwrap_or_else(|_| panic!("they wait for {table}"));
        println!("enqueued beside a lock on {table}: {:?}", began.elapsed());
        single.unwrap();
        bulk.unwrap();
        sql.unwrap();
        let warning = warnings.recv().await.unwrap();
        assert_eq!(warning.severity(), "WARNING");
        assert!(warning.message().contains("1 enqueued tasks were not logged"), "{warning:?}");
        assert_eq!(number(&witness, "select count(*) from omniq.task_list").await, 1 + 8 * round);
        lock.rollback().await.unwrap();
        assert_eq!(number(&witness, "select count(*) from omniq.events").await, 1);
    }
    backend.close().await.unwrap();
}
