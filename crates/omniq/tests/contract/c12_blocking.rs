//! C12, C13: errors of the blocking twins, and their drop.

use std::time::Duration;

use omniq::Error;
use omniq::prelude::*;
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
