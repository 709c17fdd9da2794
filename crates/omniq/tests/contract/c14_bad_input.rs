//! Invalid input is refused before anything is written, with a message that names the value, the limit and the remedy.

use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::port::{Settlement, WorkerInfo};
use omniq::prelude::*;
use omniq::{Backoff, Codec, Error, EventKind, ResultStatus, TaskEvent, TaskResult, TaskUpdate};
use omniq_testkit::TestDb;

use crate::witness::{full, rows};

const CENTURY: Duration = Duration::from_secs(101 * 366 * 24 * 3600);

fn task() -> NewTask {
    NewTask::new("f", &1).unwrap()
}

fn assert_says(what: &str, error: &Error, words: &[&str]) {
    assert!(error.is_invalid() || error.is_codec(), "{what}: {error:?}");
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{what}: {message:?} lacks {word:?}");
    }
}

/// Every invalid task, by every kind of enqueue: alone, and as the last of many.
#[tokio::test]
async fn c14_bad_tasks_are_refused_and_nothing_is_written() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).events("postgres").max_payload(1000).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let queue = backend.queue();
    let taken = queue.enqueue(task()).await.unwrap();
    let mut client = db.client().await;
    let witness = db.client().await;
    let before = rows(&witness).await;
    let long = "x".repeat(129);
    let odd = Payload::new(Codec::Custom("gzip; drop".into()), b"1".as_ref());
    let backoff = |factor| Backoff { factor, ..Backoff::default() };
    let bad: Vec<(&str, NewTask, &[&str])> = vec![
        ("empty queue", task().queue(""), &["queue name", "empty", "1 to 128"]),
        ("long queue", task().queue(&long), &["queue name", "129 bytes", "128"]),
        ("long in bytes", task().queue("ä".repeat(65)), &["130 bytes", "128"]),
        ("NUL in queue", task().queue("a\0b"), &["queue name", "\\0", "leave it out"]),
        ("newline in queue", task().queue("a\nb"), &["queue name", "\\n"]),
        ("empty function", NewTask::new("", &1).unwrap(), &["function name", "empty"]),
        ("long function", NewTask::new(&*long, &1).unwrap(), &["function name", "129"]),
        ("NUL in function", NewTask::new("f\0", &1).unwrap(), &["function name", "\\0"]),
        (
            "large payload",
            NewTask::new("f", &"x".repeat(1000)).unwrap(),
            &["1002 bytes", "at most 1000", "max_payload"],
        ),
        ("unknown codec", NewTask::with_payload("f", odd), &["codec", "gzip; drop", "msgpack", "x-"]),
        ("no ttl", task().ttl(Duration::ZERO), &["ttl", "0"]),
        ("long ttl", task().ttl(CENTURY), &["ttl", "100 years"]),
        ("long delay", task().delay(CENTURY), &["delay", "100 years"]),
        ("endless delay", task().delay(Duration::MAX), &["delay", "100 years"]),
        ("no time", task().timeout(Duration::ZERO), &["timeout", "0"]),
        ("many retries", task().max_retries(1_000_001), &["max_retries", "1000001", "1000000"]),
        ("backoff", task().backoff(backoff(0.5)), &["backoff factor", "0.5", "1 to 1000"]),
        ("backoff", task().backoff(backoff(f64::NAN)), &["backoff factor", "NaN"]),
        ("large metadata", task().metadata("a", "x".repeat(70_000)), &["metadata", "65536"]),
        ("NUL in metadata", task().metadata("a", "x\0"), &["metadata", "NUL"]),
        ("NUL in a key", task().metadata("a\0", 1), &["metadata", "NUL"]),
    ];
    for (what, bad, words) in bad {
        let errors = [
            backend.enqueue(bad.clone()).await.unwrap_err(),
            backend.enqueue_many(vec![task(), task(), bad.clone()]).await.unwrap_err(),
            queue.enqueue(bad.clone()).await.unwrap_err(),
            backend.enqueue_in(&mut client, bad.clone()).await.unwrap_err(),
            backend.enqueue_many_in(&mut client, vec![task(), bad]).await.unwrap_err(),
        ];
        errors.iter().for_each(|error| assert_says(what, error, words));
    }
    // An id that is in use, and an id that is given twice in one call.
    let mine = TaskId::new();
    for tasks in
        [vec![task().id(taken)], vec![task(), task().id(taken)], vec![task().id(mine), task().id(mine)]]
    {
        let error = backend.enqueue_many(tasks).await.unwrap_err();
        assert!(error.is_duplicate() && error.to_string().contains("give another"), "{error:?}");
    }
    assert_eq!(rows(&witness).await, before, "nothing was written");
    backend.close().await.unwrap();
}

/// Calls about tasks, workers, results and events.
#[tokio::test]
async fn c14_other_bad_calls_are_refused_and_nothing_is_written() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let (queue, results, events) = (backend.queue(), backend.results().unwrap(), backend.events().unwrap());
    let id = queue.enqueue(task()).await.unwrap();
    let held = queue.enqueue(task().queue("held")).await.unwrap();
    let held = queue.dequeue(Dequeue::from(["held"])).await.unwrap().filter(|task| task.id == held).unwrap();
    let witness = db.client().await;
    let before = rows(&witness).await;
    macro_rules! refused {
        ($($call:expr => [$($word:literal),*];)*) => { $(
            let error = $call.await.err().unwrap_or_else(|| panic!("{} is taken", stringify!($call)));
            assert_says(stringify!($call), &error, &[$($word),*]);
        )* };
    }
    let change = |change: TaskUpdate| queue.update(id, change);
    let large = Payload::new(Codec::Raw, vec![0; 16 * 1024 * 1024 + 1]);
    let many = |lease| WorkerInfo { lease, ..WorkerInfo::new(["default"]) };
    let mut no_ttl = TaskResult::new(id, ResultStatus::Completed);
    no_ttl.ttl = Some(Duration::ZERO);
    let settle = |outcome| vec![Settlement::new(held.id, held.claim, outcome)];
    refused! {
        queue.dequeue(Dequeue::from(Vec::<String>::new())) => ["no queue", "at least one"];
        queue.dequeue(Dequeue::from([""])) => ["queue name", "empty"];
        queue.dequeue(Dequeue::from(["a\0"])) => ["queue name"];
        queue.dequeue_many(Dequeue::from(["a"]).limit(0)) => ["limit = 0", "1 to 10000"];
        queue.dequeue_many(Dequeue::from(["a"]).limit(10_001)) => ["limit = 10001", "1 to 10000"];
        queue.dequeue(Dequeue::from(["a"]).timeout(CENTURY)) => ["timeout", "100 years"];
        queue.pause("") => ["queue name", "empty"];
        queue.resume("a\0") => ["queue name"];
        change(TaskUpdate { queue: Some(String::new()), ..TaskUpdate::default() }) => ["queue name", "empty"];
        change(TaskUpdate { payload: Some(large.clone()), ..TaskUpdate::default() }) => ["16777217", "max_payload"];
        change(TaskUpdate { max_retries: Some(u32::MAX), ..TaskUpdate::default() }) => ["max_retries", "1000000"];
        queue.snooze(&held, CENTURY) => ["delay", "100 years"];
        queue.retry_later(&held, CENTURY, None) => ["delay", "100 years"];
        queue.settle(&settle(omniq::port::Outcome::Snooze { delay: Duration::MAX }), omniq::port::SettleMode::Each) => ["delay"];
        queue.register_worker(&many(Duration::ZERO)) => ["lease = 0 seconds", "at least 0.1 seconds"];
        queue.register_worker(&many(Duration::from_millis(50))) => ["lease = 0.05 seconds", "at least 0.1 seconds"];
        results.store(no_ttl.clone()) => ["ttl", "0"];
        events.log(TaskEvent::new(EventKind::Custom(String::new()))) => ["event kind", "empty"];
        events.log(TaskEvent::new(EventKind::Enqueued).with("a", "\0")) => ["event data", "NUL"];
        events.log_many(vec![TaskEvent::new(EventKind::Enqueued), TaskEvent::new(EventKind::Custom("x".repeat(129)))])
            => ["event kind", "129"];
    }
    assert!("not-a-uuid".parse::<TaskId>().unwrap_err().to_string().contains("not-a-uuid"));
    assert!("gzip".parse::<Codec>().unwrap_err().is_codec());
    assert_eq!(rows(&witness).await, before, "nothing was written");
    backend.close().await.unwrap();
}
