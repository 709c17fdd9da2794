//! C25: log, purge, close.

use jiff::Timestamp;
use serde_json::json;

use crate::conformance::EventFixture;
use crate::conformance::support::*;
use crate::conformance::values::exact_numbers;
use crate::layers::EventsVerbs;
use crate::*;

async fn all(events: &std::sync::Arc<dyn EventStorage>) -> Vec<TaskEvent> {
    events.query(&EventFilter { limit: Some(10_000), ..EventFilter::default() }).await.unwrap()
}

fn numbered(number: i64) -> TaskEvent {
    TaskEvent::new(EventKind::Started).with("number", number)
}

fn numbers_of(events: &[TaskEvent]) -> Vec<i64> {
    events.iter().map(|event| event.data["number"].as_i64().unwrap()).collect()
}

/// All fields of a logged event come back, read through another object.
pub async fn c25_log_keeps_everything(fixture: &dyn EventFixture) {
    let (events, witness) = (fixture.events().await, fixture.events().await);
    let mut full = TaskEvent::new("x'; --ü🦀".parse().unwrap()).worker("host:1");
    full.at = micros(Timestamp::now() - HOUR);
    full.task_id = Some(TaskId::new());
    (full.queue, full.func) = (Some("mail".to_owned()), Some("send_mail".to_owned()));
    full.attempt = Some(3);
    full = full.with("deep", json!({"a": [1, 2.5, null, "\\u0000", i64::MIN]}));
    let mut bare = TaskEvent::new(EventKind::Enqueued);
    bare.at = micros(bare.at);
    events.log(full.clone()).await.unwrap();
    events.log(bare.clone()).await.unwrap();
    let found = all(&witness).await;
    (full.id, bare.id) = (found[0].id, found[1].id);
    assert_eq!(found, [full, bare]);
}

/// Events keep their order, within one call and from call to call, regardless of their times; ids only grow.
pub async fn c25_events_keep_their_order(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    for batch in [0..100, 100..101, 101..250] {
        let batch = batch.map(|number| {
            let mut event = numbered(number);
            event.at = Timestamp::now() - HOUR * u32::try_from(number).unwrap();
            event
        });
        events.log_many(batch.collect()).await.unwrap();
    }
    events.log_many(Vec::new()).await.unwrap();
    let found = all(&events).await;
    assert_eq!(numbers_of(&found), (0..250).collect::<Vec<_>>());
    assert!(found.is_sorted_by(|one, two| one.id < two.id));
}

/// Data keeps its numbers and their kinds; numbers that it cannot keep are refused (issue 12, E3).
pub async fn c25_numbers_are_kept_or_refused(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    events.log(numbered(1).with("numbers", exact_numbers())).await.unwrap();
    assert_eq!(all(&events).await[0].data["numbers"].to_string(), exact_numbers().to_string());
    for bad in [
        numbered(2).with("n", [-0.0]),
        numbered(2).with("n", f64::INFINITY),
        numbered(2).with("n", i128::MIN),
    ] {
        let error = events.log_many(vec![numbered(3), bad]).await.unwrap_err();
        assert!(error.is_invalid() && error.message().contains("data"), "{error:?}");
    }
    assert_eq!(all(&events).await.len(), 1);
}

/// Of events logged concurrently none is lost, and no id is used twice.
pub async fn c25_many_log_at_once(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    let calls = (0..8).map(|caller| {
        let events = events.clone();
        tokio::spawn(async move {
            for number in 0..20 {
                events.log(numbered(caller * 20 + number)).await.unwrap();
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let found = all(&events).await;
    assert!(found.is_sorted_by(|one, two| one.id < two.id));
    let mut numbers = numbers_of(&found);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..160).collect::<Vec<_>>());
}

/// If one event is bad, nothing is logged.
pub async fn c25_bad_events_are_refused_and_nothing_written(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    let mut bad = vec![numbered(1); 5];
    bad[0].kind = EventKind::Custom(String::new());
    bad[1].kind = EventKind::Custom("k".repeat(129));
    bad[2].queue = Some("a\0b".to_owned());
    bad[3].worker = Some(String::new());
    bad[4].data.insert("key".to_owned(), json!({"\0": 1}));
    for bad in bad {
        let error = events.log_many(vec![numbered(0), bad.clone()]).await.unwrap_err();
        assert!(error.is_invalid(), "{error:?}");
        assert!(events.log(bad).await.is_err());
    }
    assert_eq!(events.count(&EventFilter::default()).await.unwrap(), 0);
}

/// A purge removes only events that are older than the given time, at most `limit`.
pub async fn c25_purge_removes_old_events(fixture: &dyn EventFixture) {
    let events = fixture.events().await;
    let border = micros(Timestamp::now() - HOUR);
    let times = [border - HOUR, border, border - HOUR * 2, border + HOUR, border - HOUR * 3];
    let batch = times.into_iter().zip(0..).map(|(at, number)| {
        let mut event = numbered(number);
        event.at = at;
        event
    });
    events.log_many(batch.collect()).await.unwrap();
    assert_eq!(events.purge(border, 2).await.unwrap(), 2);
    assert_eq!(events.purge(border, 100).await.unwrap(), 1);
    assert_eq!(events.purge(border, 100).await.unwrap(), 0);
    assert_eq!(numbers_of(&all(&events).await), [1, 3]);
    let last = all(&events).await[1].id;
    events.log(numbered(9)).await.unwrap();
    assert!(all(&events).await[2].id > last, "an id is not used again");
}

/// After close every verb fails with `is_closed`; closing twice is harmless; other objects are unaffected.
pub async fn c13_after_close_every_verb_fails(fixture: &dyn EventFixture) {
    let (events, filter) = (fixture.events().await, EventFilter::default());
    events.log(numbered(1)).await.unwrap();
    events.close().await.unwrap();
    events.close().await.unwrap();
    assert_all_closed(EventsVerbs::call_each(&*events).await, &["log_statement"]);
    assert_eq!(fixture.events().await.count(&filter).await.unwrap(), 1);
}
