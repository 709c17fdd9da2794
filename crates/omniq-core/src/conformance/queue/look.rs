//! C18, C19: get, list, count, and the counts of queues.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// One task in each state, over two queues and two functions. The number of each is its position.
async fn of_all_sorts(queue: &std::sync::Arc<dyn TaskQueue>) {
    queue.enqueue(task(0).max_retries(0)).await.unwrap();
    queue.fail(&take(queue).await, boom()).await.unwrap();
    add(queue, [1]).await;
    take(queue).await;
    add(queue, [2]).await;
    queue.enqueue(task(3).delay(HOUR)).await.unwrap();
    queue.enqueue(NewTask::new("play", &4).unwrap().queue("other")).await.unwrap();
    queue.enqueue(task(5).queue("other")).await.unwrap();
}

/// Filters select as documented, alone and together; the order is that of the ids.
pub async fn c18_list_and_count_follow_the_filter(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    of_all_sorts(&queue).await;
    let all = || TaskFilter::default();
    let named = |name: &str| Some(name.to_owned());
    for (filter, expected) in [
        (all(), vec![0, 1, 2, 3, 4, 5]),
        (TaskFilter { queue: named("default"), ..all() }, vec![0, 1, 2, 3]),
        (TaskFilter { queue: named("none"), ..all() }, vec![]),
        (TaskFilter { func: named("play"), ..all() }, vec![4]),
        (TaskFilter { state: Some(TaskState::Dead), ..all() }, vec![0]),
        (TaskFilter { state: Some(TaskState::Running), ..all() }, vec![1]),
        (TaskFilter { state: Some(TaskState::Ready), ..all() }, vec![2, 4, 5]),
        (TaskFilter { state: Some(TaskState::Scheduled), ..all() }, vec![3]),
        (TaskFilter { state: Some(TaskState::Completed), ..all() }, vec![]),
        (
            TaskFilter { queue: named("other"), func: named("work"), state: Some(TaskState::Ready), ..all() },
            vec![5],
        ),
    ] {
        let tasks = queue.list(&filter).await.unwrap();
        assert_eq!(numbers(&tasks), expected, "{filter:?}");
        assert!(tasks.is_sorted_by_key(|task| task.id));
        assert_eq!(queue.count(&filter).await.unwrap(), expected.len() as u64, "{filter:?}");
    }
}

/// Filters by the type of the last error, whole or its beginning, and by the time of the enqueue, also together with the
/// others.
pub async fn c18_list_and_count_follow_error_and_since(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for (value, error) in [(0, "net.Timeout"), (1, "net.Refused"), (2, "ValueError"), (3, "net")] {
        queue.enqueue(task(value).max_retries(0)).await.unwrap();
        let (held, error) = (take(&queue).await, TaskError::new(error, "x"));
        match value {
            2 => queue.retry_later(&held, HOUR, Some(error)).await.unwrap(),
            _ => drop(queue.fail(&held, error).await.unwrap()),
        }
    }
    pause(5).await;
    let middle = micros(queue.get(add(&queue, [4]).await[0]).await.unwrap().unwrap().created_at);
    add(&queue, [5]).await;
    let all = || TaskFilter::default();
    let named = |name: &str| Some(name.to_owned());
    let (dead, before) = (Some(TaskState::Dead), middle - Duration::from_millis(3));
    for (filter, expected) in [
        (TaskFilter { error: named("net.Timeout"), ..all() }, vec![0]),
        (TaskFilter { error: named("net.*"), ..all() }, vec![0, 1]),
        (TaskFilter { error: named("net*"), ..all() }, vec![0, 1, 3]),
        (TaskFilter { error: named("net"), ..all() }, vec![3]),
        (TaskFilter { error: named("*"), ..all() }, vec![0, 1, 2, 3]),
        (TaskFilter { error: named("*"), state: dead, ..all() }, vec![0, 1, 3]),
        (TaskFilter { error: named("ValueError"), state: Some(TaskState::Scheduled), ..all() }, vec![2]),
        (TaskFilter { error: named("Value%"), ..all() }, vec![]),
        (TaskFilter { error: named("net.*"), func: named("play"), ..all() }, vec![]),
        (TaskFilter { since: Some(before), ..all() }, vec![4, 5]),
        (TaskFilter { since: Some(before), error: named("*"), ..all() }, vec![]),
        (TaskFilter { since: Some(middle + HOUR), ..all() }, vec![]),
        (TaskFilter { until: Some(before), ..all() }, vec![0, 1, 2, 3]),
        (TaskFilter { until: Some(middle), since: Some(before), ..all() }, vec![]),
        (TaskFilter { until: Some(before), error: named("net*"), state: dead, ..all() }, vec![0, 1, 3]),
    ] {
        assert_eq!(numbers(&queue.list(&filter).await.unwrap()), expected, "{filter:?}");
        assert_eq!(queue.count(&filter).await.unwrap(), expected.len() as u64, "{filter:?}");
    }
    let refused = TaskFilter { error: named("net.R*"), since: Some(before - HOUR), ..all() };
    assert_eq!(queue.purge(&refused).await.unwrap(), 1);
    let pages = TaskFilter { error: named("net*"), limit: Some(1), ..all() };
    let left: Vec<_> = queue.iterate(pages).try_collect().await.unwrap();
    assert_eq!(numbers(&left), [0, 3]);
}

/// Pages follow each other without gap or overlap, also through tasks that were enqueued together.
pub async fn c18_list_in_pages(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..70).await;
    add(&queue, 70..130).await;
    let first = queue.list(&TaskFilter::default()).await.unwrap();
    assert_eq!(numbers(&first), (0..100).collect::<Vec<_>>(), "a page holds 100");
    let mut filter = TaskFilter { limit: Some(33), ..TaskFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = queue.list(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        seen.extend(numbers(&page));
    }
    assert_eq!(seen, (0..130).collect::<Vec<_>>());
    assert_eq!(queue.count(&filter).await.unwrap(), 130, "a count knows no pages");
    for limit in [Some(33), Some(65), Some(130), None] {
        let all: Vec<_> =
            queue.iterate(TaskFilter { limit, ..TaskFilter::default() }).try_collect().await.unwrap();
        assert_eq!(numbers(&all), seen, "{limit:?}");
    }
    let of_none = TaskFilter { queue: Some("none".to_owned()), ..TaskFilter::default() };
    assert!(queue.iterate(of_none).next().await.is_none());
    filter.limit = Some(0);
    filter.after = None;
    assert_eq!(queue.list(&filter).await.unwrap(), []);
}

/// What is removed while it is iterated over does not hide what comes after it.
pub async fn c18_iterate_while_tasks_are_removed(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..40).await;
    let mut seen = Vec::new();
    let mut tasks = queue.iterate(TaskFilter { limit: Some(7), ..TaskFilter::default() });
    while let Some(task) = tasks.try_next().await.unwrap() {
        queue.delete(task.id).await.unwrap();
        seen.extend(numbers(&[task]));
    }
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    assert_eq!(total(&queue).await, 0);
    queue.close().await.unwrap();
    let closed = queue.iterate(TaskFilter::default()).next().await;
    assert!(closed.is_some_and(|answer| answer.unwrap_err().is_closed()));
}

/// A listed task equals the one that `get` returns.
pub async fn c18_list_shows_whole_tasks(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    of_all_sorts(&queue).await;
    for task in queue.list(&TaskFilter::default()).await.unwrap() {
        assert_eq!(queue.get(task.id).await.unwrap(), Some(task));
    }
    assert_eq!(queue.get(TaskId::new()).await.unwrap(), None);
}

/// Several tasks come in the order of their ids as given, those that are not there as none.
pub async fn c18_get_many_keeps_the_order(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..4).await;
    queue.delete(ids[2]).await.unwrap();
    let found = queue.get_many(&[ids[3], TaskId::new(), ids[0], ids[2], ids[3]]).await.unwrap();
    let numbers: Vec<_> = found.iter().map(|task| task.as_ref().map(number)).collect();
    assert_eq!(numbers, [Some(3), None, Some(0), None, Some(3)]);
    assert_eq!(queue.get_many(&[]).await.unwrap(), []);
}

/// An id beside those of a batch, which was never used, is not found.
pub async fn c18_get_finds_nothing_beside_a_batch(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..3).await;
    let beyond = ids.iter().map(|id| id.as_uuid().as_u128()).max().unwrap() + 1;
    let before = ids.iter().map(|id| id.as_uuid().as_u128()).min().unwrap() - 1;
    for id in [beyond, before] {
        let id = TaskId::from(uuid::Uuid::from_u128(id));
        assert_eq!(queue.get(id).await.unwrap(), None);
        assert!(queue.delete(id).await.unwrap_err().is_not_found());
        assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::NotFound);
    }
    assert_eq!(total(&queue).await, 3);
}

/// The counts of every queue that holds tasks or is paused, by name.
pub async fn c19_figures_of_every_queue(fixture: &dyn QueueFixture) {
    let queue = fixture.queue_with(Limits::default(), true).await;
    assert_eq!(queue.queues().await.unwrap(), []);
    of_all_sorts(&queue).await;
    queue.complete(&queue.dequeue(from("other")).await.unwrap().unwrap()).await.unwrap();
    queue.pause("resting").await.unwrap();
    queue.pause("other").await.unwrap();
    let named = |name: &str| QueueStats { name: name.to_owned(), ..QueueStats::default() };
    let expected = [
        QueueStats { dead: 1, running: 1, ready: 1, scheduled: 1, ..named("default") },
        QueueStats { paused: true, completed: 1, ready: 1, ..named("other") },
        QueueStats { paused: true, ..named("resting") },
    ];
    assert_eq!(queue.queues().await.unwrap(), expected);
    queue.resume("resting").await.unwrap();
    queue.purge(&TaskFilter { queue: Some("default".to_owned()), ..TaskFilter::default() }).await.unwrap();
    let names: Vec<_> = queue.queues().await.unwrap().into_iter().map(|figures| figures.name).collect();
    assert_eq!(names, ["default", "other"], "the running task is still there");
}
