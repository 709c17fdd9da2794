//! C12, C13: errors of the blocking twins, and their drop.

use std::time::Duration;

use omniq::prelude::*;
use omniq::{Error, EventFilter, EventKind, ResultFilter, ResultStatus, TaskEvent, TaskFilter, TaskResult};
use tokio::runtime::Builder;

use crate::c10_blocking::{database, open};
use crate::witness::PATIENCE;

/// C12: kind, message and SQLSTATE are the same on both sides, and the cause is kept.
#[test]
fn c12_errors_look_the_same_on_both_sides() {
    let db = database();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let blocking = open(&db);
    let url = db.url();
    let twin = runtime.block_on(AsyncPostgresBackend::connect(&url)).unwrap();
    let id = TaskId::new();
    let task = || NewTask::new("f", &1).unwrap();
    blocking.enqueue_sync(task().id(id)).unwrap();
    let same = |a: Error, b: Error| {
        assert_eq!(format!("{a}"), format!("{b}"));
        assert_eq!(a.sqlstate(), b.sqlstate());
        let cause = |error: &Error| std::error::Error::source(error).map(ToString::to_string);
        assert_eq!(cause(&a), cause(&b));
        assert_eq!(format!("{a:?}").split(',').next(), format!("{b:?}").split(',').next());
        a
    };
    let duplicate = same(
        blocking.enqueue_sync(task().id(id)).unwrap_err(),
        runtime.block_on(twin.enqueue(task().id(id))).unwrap_err(),
    );
    assert!(duplicate.is_duplicate() && std::error::Error::source(&duplicate).is_some());
    same(
        blocking.enqueue_sync(task().queue("")).unwrap_err(),
        runtime.block_on(twin.enqueue(task().queue(""))).unwrap_err(),
    );
    let short = Duration::from_millis(10);
    same(blocking.wait_sync(id, short).unwrap_err(), runtime.block_on(twin.wait(id, short)).unwrap_err());
    same(
        PostgresBackend::connect_sync(&format!("{url}?pool_max=0")).unwrap_err(),
        runtime.block_on(AsyncPostgresBackend::connect(&format!("{url}?pool_max=0"))).unwrap_err(),
    );
    same(
        PostgresBackend::connect_sync(&format!("{url}x")).unwrap_err(),
        runtime.block_on(AsyncPostgresBackend::connect(&format!("{url}x"))).unwrap_err(),
    );
    blocking.close_sync().unwrap();
    runtime.block_on(twin.close()).unwrap();
    same(blocking.enqueue_sync(task()).unwrap_err(), runtime.block_on(twin.enqueue(task())).unwrap_err());
}

/// A drop without a close neither hangs nor panics, wherever it happens, and no session is left in the end.
#[test]
fn c13_a_drop_without_a_close_does_not_hang() {
    let db = database();
    let used = || {
        let backend = open(&db);
        backend.enqueue_sync(NewTask::new("f", &1).unwrap()).unwrap();
        backend
    };
    drop(used());
    let queue = PostgresQueue::connect_sync(&db.url()).unwrap();
    queue.dequeue_sync(Dequeue::from(["default"])).unwrap().unwrap();
    drop(queue);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let backend = used();
    runtime.block_on(async move { drop(backend) });
    let backend = used();
    std::thread::spawn(move || drop(backend)).join().unwrap();
    runtime.block_on(omniq_testkit::eventually("no session is left", PATIENCE, async || {
        (db.sessions().await == 0).then_some(())
    }));
}

#[test]
fn c12_blocking_classes_iterate_over_long_lists() {
    let db = database();
    let settings = Settings::builder().url(db.url()).events("postgres").build().unwrap();
    let queue = PostgresQueue::with_settings_sync(&settings).unwrap();
    let results = PostgresResultStorage::with_settings_sync(&settings).unwrap();
    let events = PostgresEventStorage::with_settings_sync(&settings).unwrap();
    let ids = queue.enqueue_many_sync((0..25).map(|n| NewTask::new("f", &n).unwrap()).collect()).unwrap();
    let page = TaskFilter { limit: Some(7), ..TaskFilter::default() };
    let seen: Vec<TaskId> = queue.iterate_sync(page).map(|task| task.unwrap().id).collect();
    assert_eq!(seen, ids);
    results
        .store_many_sync(ids.iter().map(|id| TaskResult::new(*id, ResultStatus::Completed)).collect())
        .unwrap();
    let page = ResultFilter { limit: Some(7), ..ResultFilter::default() };
    assert_eq!(results.iterate_sync(page).map(Result::unwrap).count(), 25);
    events.log_many_sync(vec![TaskEvent::new(EventKind::Started); 25]).unwrap();
    let page = EventFilter { limit: Some(7), latest: true, ..EventFilter::default() };
    let numbers: Vec<i64> = events.iterate_sync(page).map(|event| event.unwrap().id).collect();
    assert!(numbers.len() == 25 && numbers.is_sorted());
    queue.close_sync().unwrap();
    let mut closed = queue.iterate_sync(TaskFilter::default());
    assert!(closed.next().unwrap().unwrap_err().is_closed() && closed.next().is_none());
    results.close_sync().unwrap();
    events.close_sync().unwrap();
}
