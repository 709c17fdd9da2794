//! C23: list and count.

use futures_util::TryStreamExt;
use jiff::Timestamp;

use crate::conformance::ResultFixture;
use crate::conformance::support::*;
use crate::*;

fn result(status: ResultStatus, queue: &str, func: &str, finished_at: Timestamp) -> TaskResult {
    let mut result = TaskResult::new(TaskId::new(), status);
    (result.queue, result.func, result.finished_at) = (queue.to_owned(), func.to_owned(), finished_at);
    result
}

fn ids(results: &[TaskResult]) -> Vec<TaskId> {
    results.iter().map(|result| result.task_id).collect()
}

/// Filters select as documented, alone and together; the latest comes first.
pub async fn c23_list_and_count_follow_the_filter(fixture: &dyn ResultFixture) {
    use ResultStatus::{Cancelled, Completed, Failed};
    let results = fixture.results().await;
    let now = micros(Timestamp::now());
    let ago = |hours: u32| now - HOUR * hours;
    let mut all = vec![
        result(Failed, "a", "f", ago(0)),
        result(Completed, "a", "g", ago(1)),
        result(Completed, "b", "f", ago(2)),
        result(Cancelled, "b", "g", ago(3)),
    ];
    all[0].error = Some(TaskError::new("net.Down", "x"));
    all[3].error = Some(TaskError::new("cancelled", "x"));
    let mut shuffled = all.clone();
    shuffled.rotate_left(2);
    results.store_many(shuffled).await.unwrap();
    let any = || ResultFilter::default();
    let named = |name: &str| Some(name.to_owned());
    for (filter, places) in [
        (any(), vec![0, 1, 2, 3]),
        (ResultFilter { status: Some(Completed), ..any() }, vec![1, 2]),
        (ResultFilter { status: Some(ResultStatus::Expired), ..any() }, vec![]),
        (ResultFilter { queue: named("b"), ..any() }, vec![2, 3]),
        (ResultFilter { func: named("f"), ..any() }, vec![0, 2]),
        (ResultFilter { since: Some(ago(1)), ..any() }, vec![0, 1]),
        (ResultFilter { until: Some(ago(1)), ..any() }, vec![2, 3]),
        (ResultFilter { since: Some(ago(2)), until: Some(ago(0)), ..any() }, vec![1, 2]),
        (ResultFilter { status: Some(Completed), queue: named("a"), func: named("g"), ..any() }, vec![1]),
        (ResultFilter { error: named("net.Down"), status: Some(Failed), ..any() }, vec![0]),
        (ResultFilter { error: named("net.*"), ..any() }, vec![0]),
        (ResultFilter { error: named("*"), ..any() }, vec![0, 3]),
        (ResultFilter { error: named("net"), ..any() }, vec![]),
        (ResultFilter { after: Some((ago(1), all[1].task_id)), ..any() }, vec![2, 3]),
    ] {
        let expected: Vec<_> = places.iter().map(|place: &usize| all[*place].task_id).collect();
        assert_eq!(ids(&results.list(&filter).await.unwrap()), expected, "{filter:?}");
        assert_eq!(results.count(&filter).await.unwrap(), expected.len() as u64, "{filter:?}");
    }
}

/// Pages follow each other without gap or overlap, also where many finished in the same instant.
pub async fn c23_list_in_pages(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let now = micros(Timestamp::now());
    let times = (0..130_u32).map(|number| now - HOUR * (number / 50));
    let mut all: Vec<_> = times.map(|time| result(ResultStatus::Completed, "a", "f", time)).collect();
    results.store_many(all.clone()).await.unwrap();
    all.sort_by_key(|result| std::cmp::Reverse((result.finished_at, result.task_id)));
    let first = results.list(&ResultFilter::default()).await.unwrap();
    assert_eq!(ids(&first), ids(&all[..100]), "a page holds 100");
    let mut filter = ResultFilter { limit: Some(33), ..ResultFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = results.list(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.finished_at, last.task_id));
        seen.extend(ids(&page));
    }
    assert_eq!(seen, ids(&all));
    filter.after = None;
    let iterated: Vec<_> = results.iterate(filter.clone()).try_collect().await.unwrap();
    assert_eq!(ids(&iterated), seen);
    assert_eq!(results.count(&filter).await.unwrap(), 130, "a count has no limit");
    filter.limit = Some(0);
    assert_eq!(results.list(&filter).await.unwrap(), []);
}
