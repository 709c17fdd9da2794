//! C23: store, get, delete, close.

use jiff::Timestamp;
use serde_json::json;

use crate::conformance::ResultFixture;
use crate::conformance::support::*;
use crate::layers::ResultsVerbs;
use crate::*;

fn done(id: TaskId) -> TaskResult {
    TaskResult::new(id, ResultStatus::Completed)
}

fn full(status: ResultStatus) -> TaskResult {
    let now = micros(Timestamp::now());
    let mut result = done(TaskId::new());
    result.status = status;
    result.value = Some(Payload::json(&("ü🦀", [1.5])).unwrap());
    result.error = Some(TaskError::new("Boom", "it broke: ü🦀").with_trace("line 1\nline 2"));
    result.queue = "mail'; --".to_owned();
    result.func = "send_mail".to_owned();
    result.worker = Some("host:1".to_owned());
    result.attempt = 4;
    result.metadata.insert("note".to_owned(), json!({"deep": [1, 2.5, null, "\\u0000", i64::MAX]}));
    result.args = match status {
        ResultStatus::Completed => Some(Payload::json(&["ü", "\0"]).unwrap()),
        ResultStatus::Failed => Some(Payload::new(Codec::Raw, &b"\x00\xff"[..])),
        _ => None,
    };
    result.enqueued_at = Some(now - HOUR * 2);
    result.started_at = Some(now - HOUR);
    result.finished_at = now;
    result
}

/// All fields of a stored result come back, read through another object.
pub async fn c23_store_keeps_everything(fixture: &dyn ResultFixture) {
    let (results, witness) = (fixture.results().await, fixture.results().await);
    for status in ResultStatus::ALL {
        let full = full(status);
        results.store(full.clone()).await.unwrap();
        assert_eq!(witness.get(full.task_id).await.unwrap(), Some(full));
    }
    let mut bare = done(TaskId::new());
    bare.finished_at = micros(bare.finished_at);
    results.store(bare.clone()).await.unwrap();
    assert_eq!(witness.get(bare.task_id).await.unwrap(), Some(bare));
    assert_eq!(witness.get(TaskId::new()).await.unwrap(), None);
}

/// Each task has one result: a later one replaces an earlier one, in the list too.
pub async fn c23_a_later_result_replaces(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let first = full(ResultStatus::Failed);
    let mut second = done(first.task_id);
    second.finished_at = first.finished_at + HOUR;
    results.store(first.clone()).await.unwrap();
    results.store(second.clone()).await.unwrap();
    assert_eq!(results.get(first.task_id).await.unwrap(), Some(second.clone()));
    assert_eq!(results.list(&ResultFilter::default()).await.unwrap(), [second.clone()]);
    results.store_many(vec![second, first.clone()]).await.unwrap();
    assert_eq!(results.get(first.task_id).await.unwrap(), Some(first));
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 1);
}

/// Many results in one call: answers are in the requested order, with `None` for missing ones.
pub async fn c23_many_at_once(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let all: Vec<_> = (0..300).map(|_| full(ResultStatus::Completed)).collect();
    results.store_many(all.clone()).await.unwrap();
    results.store_many(Vec::new()).await.unwrap();
    let mut ids: Vec<_> = all.iter().map(|result| result.task_id).collect();
    ids.push(TaskId::new());
    ids.push(ids[0]);
    let mut expected: Vec<_> = all.iter().cloned().map(Some).collect();
    expected.push(None);
    expected.push(expected[0].clone());
    assert_eq!(results.get_many(&ids).await.unwrap(), expected);
    assert_eq!(results.get_many(&[]).await.unwrap(), []);
}

/// If one result is bad, nothing is stored.
pub async fn c23_bad_results_are_refused_and_nothing_written(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let mut bad = vec![full(ResultStatus::Completed); 5];
    bad[0].ttl = Some(std::time::Duration::ZERO);
    bad[1].queue = "a\0b".to_owned();
    bad[2].func = "f".repeat(129);
    bad[3].metadata.insert("key".to_owned(), json!(["\0"]));
    bad[4].value = Some(Payload::new(Codec::Custom("yaml".to_owned()), "1"));
    for (index, bad) in bad.into_iter().enumerate() {
        let error = results.store_many(vec![done(TaskId::new()), bad]).await.unwrap_err();
        assert!(error.is_invalid() || (index == 4 && error.is_codec()), "{index}: {error:?}");
    }
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 0);
}

/// A result with any error text can be stored: it must not be lost because the text contains a NUL.
pub async fn c23_any_error_can_be_stored(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let mut failed = full(ResultStatus::Failed);
    failed.error = Some(TaskError { kind: "a\0b".to_owned(), message: "\0".to_owned(), trace: None });
    results.store(failed.clone()).await.unwrap();
    let stored = results.get(failed.task_id).await.unwrap().unwrap().error;
    assert_eq!(stored, Some(TaskError::new("a\u{fffd}b", "\u{fffd}")));
}

/// The limit of payloads applies to the values of results, too (issue 12, E7).
pub async fn c23_a_value_above_the_limit_is_refused(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let mut large = done(TaskId::new());
    large.value = Some(Payload::new(Codec::Raw, vec![7; Limits::default().max_payload + 1]));
    let error = results.store_many(vec![done(TaskId::new()), large]).await.unwrap_err();
    assert!(error.is_invalid() && error.message().contains("16777216"), "{error:?}");
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 0);
}

/// Delete returns what existed.
pub async fn c23_delete_says_what_there_was(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let ids: Vec<_> = (0..4).map(|_| TaskId::new()).collect();
    results.store_many(ids.iter().copied().map(done).collect()).await.unwrap();
    assert!(results.delete(ids[0]).await.unwrap());
    assert!(!results.delete(ids[0]).await.unwrap());
    assert_eq!(results.delete_many(&[ids[0], ids[1], TaskId::new(), ids[2]]).await.unwrap(), 2);
    assert_eq!(results.delete_many(&[]).await.unwrap(), 0);
    assert_eq!(results.get_many(&ids).await.unwrap().iter().flatten().count(), 1);
}

/// After close every verb fails with `is_closed`; closing twice is harmless; other objects are unaffected.
pub async fn c13_after_close_every_verb_fails(fixture: &dyn ResultFixture) {
    let (results, id) = (fixture.results().await, TaskId::new());
    results.store(done(id)).await.unwrap();
    results.close().await.unwrap();
    results.close().await.unwrap();
    assert_all_closed(ResultsVerbs::call_each(&*results).await, &["store_statement"]);
    assert!(fixture.results().await.get(id).await.unwrap().is_some());
}
