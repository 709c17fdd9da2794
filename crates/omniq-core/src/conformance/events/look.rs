//! C25: query and count.

use std::sync::Arc;

use futures_util::TryStreamExt;
use jiff::Timestamp;

use crate::conformance::EventFixture;
use crate::conformance::support::*;
use crate::*;

/// Six events, one for each hour up to now, logged in the order of their times.
async fn six(events: &Arc<dyn EventStorage>) -> (TaskId, Timestamp) {
    let (id, now) = (TaskId::new(), micros(Timestamp::now()));
    let rows = [
        (Some(id), EventKind::Enqueued, "a", None),
        (Some(id), EventKind::Started, "a", Some("w1")),
        (Some(TaskId::new()), EventKind::Started, "b", Some("w2")),
        (Some(id), EventKind::Completed, "a", Some("w1")),
        (None, EventKind::Custom("mine".to_owned()), "b", Some("w1")),
        (Some(TaskId::new()), EventKind::Enqueued, "b", None),
    ];
    let batch = rows.into_iter().zip(0..).map(|((task_id, kind, queue, worker), number)| {
        let mut event = TaskEvent::new(kind).with("number", number);
        (event.task_id, event.queue, event.at) = (task_id, Some(queue.to_owned()), now - HOUR * (5 - number));
        event.worker = worker.map(str::to_owned);
        event
    });
    events.log_many(batch.collect()).await.unwrap();
    (id, now)
}

async fn expect(events: &Arc<dyn EventStorage>, filter: EventFilter, places: &[i64]) {
    let found = events.query(&filter).await.unwrap();
    let found: Vec<_> = found.iter().map(|event| event.data["number"].as_i64().unwrap()).collect();
    assert_eq!(found, places, "{filter:?}");
    if filter.limit.is_none() {
        assert_eq!(events.count(&filter).await.unwrap(), places.len() as u64, "{filter:?}");
    }
}

/// Query by task.
pub async fn c25_query_by_task(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    let (id, _) = six(&events).await;
    expect(&events, EventFilter { task_id: Some(id), ..EventFilter::default() }, &[0, 1, 3]).await;
    expect(&events, EventFilter { task_id: Some(TaskId::new()), ..EventFilter::default() }, &[]).await;
}

/// Query by kind, known or user-defined.
pub async fn c25_query_by_kind(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    six(&events).await;
    let mine = EventKind::Custom("mine".to_owned());
    expect(&events, EventFilter { kind: Some(EventKind::Started), ..EventFilter::default() }, &[1, 2]).await;
    expect(&events, EventFilter { kind: Some(mine), ..EventFilter::default() }, &[4]).await;
    expect(&events, EventFilter { kind: Some(EventKind::Failed), ..EventFilter::default() }, &[]).await;
}

/// Query by queue and by worker.
pub async fn c25_query_by_queue_and_worker(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    six(&events).await;
    let (queue, worker) = (Some("b".to_owned()), Some("w1".to_owned()));
    let any = EventFilter::default;
    expect(&events, EventFilter { queue: queue.clone(), ..any() }, &[2, 4, 5]).await;
    expect(&events, EventFilter { worker: worker.clone(), ..any() }, &[1, 3, 4]).await;
    expect(&events, EventFilter { queue, worker, ..any() }, &[4]).await;
}

/// Query by time: `since` is included, `until` is not.
pub async fn c25_query_by_time(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    let (_, now) = six(&events).await;
    let (since, until) = (Some(now - HOUR * 4), Some(now - HOUR));
    let any = EventFilter::default;
    expect(&events, EventFilter { since, ..any() }, &[1, 2, 3, 4, 5]).await;
    expect(&events, EventFilter { until, ..any() }, &[0, 1, 2, 3]).await;
    expect(&events, EventFilter { since, until, ..any() }, &[1, 2, 3]).await;
    expect(&events, EventFilter { since: until, until: since, ..any() }, &[]).await;
}

/// The first or the last events up to the limit, ascending either way.
pub async fn c25_query_first_and_latest(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    six(&events).await;
    let any = EventFilter::default;
    let queue = Some("b".to_owned());
    expect(&events, EventFilter { limit: Some(2), ..any() }, &[0, 1]).await;
    expect(&events, EventFilter { limit: Some(2), latest: true, ..any() }, &[4, 5]).await;
    expect(&events, EventFilter { limit: Some(2), latest: true, queue, ..any() }, &[4, 5]).await;
    expect(&events, EventFilter { limit: Some(0), ..any() }, &[]).await;
    expect(&events, EventFilter { latest: true, ..any() }, &[0, 1, 2, 3, 4, 5]).await;
    let limited = EventFilter { limit: Some(2), ..any() };
    assert_eq!(events.count(&limited).await.unwrap(), 6, "a count has no limit");
}

/// Pages follow each other without gap or overlap.
pub async fn c25_query_in_pages(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    let batch = (0..130).map(|number| TaskEvent::new(EventKind::Started).with("number", number));
    events.log_many(batch.collect()).await.unwrap();
    expect(
        &events,
        EventFilter { limit: Some(100), ..EventFilter::default() },
        &(0..100).collect::<Vec<_>>(),
    )
    .await;
    assert_eq!(events.query(&EventFilter::default()).await.unwrap().len(), 100, "a page holds 100");
    let mut filter = EventFilter { limit: Some(33), ..EventFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = events.query(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        seen.extend(page.iter().map(|event| event.data["number"].as_i64().unwrap()));
    }
    assert_eq!(seen, (0..130).collect::<Vec<_>>());
    filter.after = Some(0);
    filter.latest = true;
    let iterated: Vec<_> = events.iterate(filter).try_collect().await.unwrap();
    assert_eq!(iterated.len(), 130);
    assert!(iterated.is_sorted_by_key(|event| event.id));
}
