//! C23: expiry, on read and by clean-up.

use std::time::Duration;

use jiff::Timestamp;

use crate::conformance::ResultFixture;
use crate::conformance::support::*;
use crate::*;

fn with_ttl(ttl: Option<Duration>) -> TaskResult {
    let mut result = TaskResult::new(TaskId::new(), ResultStatus::Completed);
    result.ttl = ttl;
    result
}

/// The expiry counts from when the result is stored.
pub async fn c23_ttl_counts_from_the_store(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let (kept, mut dated) = (with_ttl(None), with_ttl(Some(HOUR)));
    dated.finished_at = Timestamp::now() - HOUR * 100;
    results.store_many(vec![kept.clone(), dated.clone()]).await.unwrap();
    assert_eq!(results.get(kept.task_id).await.unwrap().unwrap().expires_at, None);
    let end = results.get(dated.task_id).await.unwrap().unwrap().expires_at;
    assert_near(end.unwrap(), Timestamp::now() + HOUR);
}

/// No verb returns an expired result, even before any clean-up.
pub async fn c23_an_expired_result_is_not_seen(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let short = with_ttl(Some(Duration::from_millis(200)));
    let (long, kept) = (with_ttl(Some(HOUR)), with_ttl(None));
    let ids = [short.task_id, long.task_id, kept.task_id];
    results.store_many(vec![short, long, kept]).await.unwrap();
    pause(700).await;
    assert_eq!(results.get(ids[0]).await.unwrap(), None);
    let found = results.get_many(&ids).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(results.list(&ResultFilter::default()).await.unwrap().len(), 2);
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 2);
    assert!(!results.delete(ids[0]).await.unwrap());
    let error = results.wait(ids[0], Duration::from_millis(100)).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

/// Clean-up removes only expired results, at most `limit`.
pub async fn c23_clean_up_removes_what_has_expired(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let mut all: Vec<_> = (0..5).map(|_| with_ttl(Some(Duration::from_millis(100)))).collect();
    all.push(with_ttl(Some(HOUR)));
    all.push(with_ttl(None));
    results.store_many(all).await.unwrap();
    pause(500).await;
    assert_eq!(results.purge_expired(2).await.unwrap(), 2);
    assert_eq!(results.purge_expired(100).await.unwrap(), 3);
    assert_eq!(results.purge_expired(100).await.unwrap(), 0);
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 2);
}

/// A new result in place of an expired one is returned.
pub async fn c23_a_result_after_an_expired_one_is_seen(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let short = with_ttl(Some(Duration::from_millis(100)));
    let id = short.task_id;
    results.store(short).await.unwrap();
    pause(500).await;
    results.store(TaskResult::new(id, ResultStatus::Failed)).await.unwrap();
    assert_eq!(results.get(id).await.unwrap().unwrap().status, ResultStatus::Failed);
    assert_eq!(results.purge_expired(100).await.unwrap(), 0);
    assert!(results.get(id).await.unwrap().is_some());
}
