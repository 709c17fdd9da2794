//! C14, C27: bad input is refused with a clear message before anything is written; unusual but valid input is kept.

use std::time::Duration;

use serde_json::json;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

fn bad_tasks() -> Vec<(&'static str, NewTask)> {
    let mut no_func = task(1);
    no_func.func = String::new();
    let mut nul_func = task(1);
    nul_func.func = "a\0b".to_owned();
    let factor = Backoff { factor: 0.5, ..Backoff::default() };
    let jitter = Backoff { jitter: f64::NAN, ..Backoff::default() };
    let waits = Backoff::list([HOUR; 101]);
    let century = Duration::from_secs(200 * 366 * 24 * 3600);
    vec![
        ("queue name", task(1).queue("")),
        ("queue name", task(1).queue("q".repeat(129))),
        ("queue name", task(1).queue("a\0b")),
        ("queue name", task(1).queue("a\nb")),
        ("function name", no_func),
        ("function name", nul_func),
        ("ttl", task(1).ttl(Duration::ZERO)),
        ("timeout", task(1).timeout(Duration::ZERO)),
        ("delay", task(1).delay(century)),
        ("factor", task(1).backoff(factor)),
        ("jitter", task(1).backoff(jitter)),
        ("waits of 101", task(1).backoff(waits)),
        ("max_retries", task(1).max_retries(2_000_000)),
        ("metadata", task(1).metadata("key", "a\0b")),
        ("metadata", task(1).metadata("a\0b", 1)),
        ("metadata", task(1).metadata("deep", json!([{"key": ["a\0b"]}]))),
        ("metadata", task(1).metadata("long", "x".repeat(65 * 1024))),
    ]
}

/// The error names what was wrong; good tasks in the same call are not written either.
pub async fn c14_bad_input_is_refused_and_nothing_written(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for (word, bad) in bad_tasks() {
        let error = queue.enqueue_many(vec![task(0), bad.clone()]).await.expect_err(word);
        assert!(error.is_invalid(), "{error:?}");
        assert!(error.message().contains(word), "{error} should name {word:?}");
        assert!(queue.enqueue(bad).await.is_err());
    }
    assert_eq!(total(&queue).await, 0);
}

/// A codec name that no reader accepts is refused.
pub async fn c14_unknown_codec_is_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for name in ["", "yaml", "x-", "x-UPPER", "x-a b", "x-0123456789012345678901234567890"] {
        let payload = Payload::new(Codec::Custom(name.to_owned()), "1");
        let error = queue.enqueue(NewTask::with_payload("work", payload)).await.unwrap_err();
        assert!(error.is_codec(), "{name:?}: {error:?}");
    }
    assert_eq!(total(&queue).await, 0);
}

/// The limit is exact to the byte, and the message says what to do.
pub async fn c14_payload_above_the_limit_is_refused(fixture: &dyn QueueFixture) {
    let limits = Limits { max_payload: 1000 };
    let queue = fixture.queue_with(limits, false).await;
    let sized = |size| NewTask::with_payload("work", Payload::new(Codec::Raw, vec![7; size]));
    let error = queue.enqueue(sized(1001)).await.unwrap_err();
    assert!(error.is_invalid() && error.message().contains("1000"), "{error:?}");
    assert_eq!(total(&queue).await, 0);

    let id = queue.enqueue(sized(1000)).await.unwrap();
    let change = TaskUpdate { payload: Some(sized(1001).payload), ..TaskUpdate::default() };
    assert!(queue.update(id, change).await.unwrap_err().is_invalid());
    assert_eq!(queue.get(id).await.unwrap().unwrap().payload.bytes().len(), 1000);
}

/// Names are data: any content comes back unchanged and is never interpreted.
pub async fn c27_hostile_names_are_only_names(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let names =
        ["'; DROP TABLE tasks; --", "\"quoted\"", "ü🦀 %s {} $1 \\", "*", "a,b", "NULL", &"q".repeat(128)];
    for name in names {
        let mut new = task(1).queue(name);
        new.func = name.to_owned();
        let id = queue.enqueue(new.metadata(name, name)).await.unwrap();
        queue.pause(name).await.unwrap();
        assert!(queue.dequeue(from(name)).await.unwrap().is_none(), "{name} is paused");
        queue.resume(name).await.unwrap();
        let filter =
            TaskFilter { queue: Some(name.to_owned()), func: Some(name.to_owned()), ..Default::default() };
        assert_eq!(queue.count(&filter).await.unwrap(), 1, "{name}");
        let task = queue.dequeue(from(name).funcs([name])).await.unwrap().expect(name);
        assert_eq!((task.id, task.queue.as_str(), task.func.as_str()), (id, name, name));
        queue.fail(&task, TaskError::new(name, name)).await.unwrap();
        let error = queue.get(id).await.unwrap().unwrap().error;
        assert_eq!(error, Some(TaskError::new(name, name)));
    }
    assert_eq!(total(&queue).await, names.len() as u64);
}

/// Text that only looks like an escaped NUL is kept.
pub async fn c14_a_written_out_nul_is_kept(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).metadata("text", "\\u0000")).await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().unwrap().metadata["text"], "\\u0000");
}
