//! C9: every async verb has its blocking twin with the suffix `_sync`. The macro makes them, and the suite calls each through its adapter;
//! these tests use them as a program without a runtime does.

use std::time::Duration;

use omniq::storage::postgres::{PostgresEventStorage, PostgresQueue, PostgresResultStorage};
use omniq::{
    Cancelled, Dequeue, EventFilter, EventKind, NewTask, ResultFilter, ResultStatus, TaskError, TaskEvent,
    TaskFilter, TaskResult, TaskState, TaskUpdate,
};
use omniq_testkit::TestDb;

fn database() -> (tokio::runtime::Runtime, TestDb) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let db = runtime.block_on(TestDb::new());
    (runtime, db)
}

fn task(number: i32) -> NewTask {
    NewTask::new("f", &number).unwrap()
}

#[test]
fn c09_every_verb_of_the_queue() {
    let (_runtime, db) = database();
    let queue = PostgresQueue::connect_sync(&db.url()).unwrap();
    let from = || Dequeue::from(["default"]);
    let next = || queue.dequeue_sync(from()).unwrap().unwrap();

    let id = queue.enqueue_sync(task(1)).unwrap();
    queue.enqueue_many_sync(vec![task(2), task(3), task(4)]).unwrap();
    assert_eq!(queue.get_sync(id).unwrap().unwrap().state, TaskState::Ready);
    queue.snooze_sync(&next(), Duration::from_secs(60)).unwrap();
    let released = queue.dequeue_many_sync(from().limit(3)).unwrap();
    queue.release_many_sync(&released).unwrap();
    queue.discard_sync(&next()).unwrap();
    queue.release_sync(&next()).unwrap();
    queue.complete_sync(&next()).unwrap();
    queue.retry_later_sync(&next(), Duration::from_secs(60), None).unwrap();
    assert_eq!(queue.count_sync(&TaskFilter::default()).unwrap(), 2);

    queue.retry_sync(id).unwrap();
    let failed = next();
    assert_eq!(failed.id, id);
    assert_eq!(queue.fail_sync(&failed, TaskError::new("e", "m")).unwrap(), TaskState::Scheduled);
    queue.retry_many_sync(&[id]).unwrap();
    let failed = vec![(next(), TaskError::new("e", "m"))];
    assert_eq!(queue.fail_many_sync(failed).unwrap(), [TaskState::Scheduled]);
    let change = TaskUpdate { priority: Some(7), ..TaskUpdate::default() };
    assert_eq!(queue.update_sync(id, change).unwrap().priority, 7);

    assert_eq!(queue.list_sync(&TaskFilter::default()).unwrap().len(), 2);
    assert_eq!(queue.cancel_sync(id).unwrap(), Cancelled::Done);
    assert_eq!(queue.cancel_many_sync(&[id]).unwrap(), [Cancelled::NotFound]);
    queue.pause_sync("default").unwrap();
    assert!(queue.queues_sync().unwrap()[0].paused);
    queue.resume_sync("default").unwrap();
    let last = queue.enqueue_sync(task(5)).unwrap();
    queue.delete_sync(last).unwrap();
    assert!(queue.delete_many_sync(&[last]).unwrap_err().is_not_found());
    assert_eq!(queue.purge_sync(&TaskFilter::default()).unwrap(), 1);
    let ids = queue.enqueue_many_sync(vec![task(6), task(7)]).unwrap();
    queue.complete_many_sync(&queue.dequeue_many_sync(from().limit(2)).unwrap()).unwrap();
    assert!(queue.get_sync(ids[0]).unwrap().is_none());
    assert!(queue.settle_sync(&[], omniq::port::SettleMode::Each).unwrap().is_empty());
    queue.close_sync().unwrap();
    assert!(queue.enqueue_sync(task(8)).unwrap_err().is_closed());
}

#[test]
fn c09_every_verb_of_results_and_events() {
    let (_runtime, db) = database();
    let results = PostgresResultStorage::connect_sync(&db.url()).unwrap();
    let record = || TaskResult::new(omniq::TaskId::new(), ResultStatus::Completed);
    let (first, second) = (record(), record());
    let ids = [first.task_id, second.task_id];
    results.store_sync(first).unwrap();
    results.store_many_sync(vec![second]).unwrap();
    assert!(results.get_sync(ids[0]).unwrap().is_some());
    assert!(results.get_many_sync(&ids).unwrap().iter().all(Option::is_some));
    assert_eq!(results.wait_sync(ids[1], Duration::ZERO).unwrap().task_id, ids[1]);
    assert_eq!(results.list_sync(&ResultFilter::default()).unwrap().len(), 2);
    assert!(results.delete_sync(ids[0]).unwrap());
    assert_eq!(results.delete_many_sync(&ids).unwrap(), 1);
    assert_eq!(results.count_sync(&ResultFilter::default()).unwrap(), 0);
    assert_eq!(results.purge_expired_sync(10).unwrap(), 0);
    results.close_sync().unwrap();

    let events = PostgresEventStorage::connect_sync(&db.url()).unwrap();
    events.log_sync(TaskEvent::new(EventKind::Started)).unwrap();
    events.log_many_sync(vec![TaskEvent::new(EventKind::Completed)]).unwrap();
    assert_eq!(events.query_sync(&EventFilter::default()).unwrap().len(), 2);
    assert_eq!(events.count_sync(&EventFilter::default()).unwrap(), 2);
    let later = "2100-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(events.purge_sync(later, 10).unwrap(), 2);
    events.close_sync().unwrap();
}
