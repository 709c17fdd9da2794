//! C22: random verbs from several connections at once.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::*;
use crate::conformance::ScheduleFixture;

const NAMES: [&str; 3] = ["a", "b", "c"];
const CONNECTIONS: usize = 6;
const STEPS: usize = 30;

/// Whatever happens at the same time, each tick is carried out at most once and in order, and the tasks are those of the ticks.
pub async fn c22_verbs_at_the_same_time_lose_and_double_no_tick(fixture: &dyn ScheduleFixture) {
    let queue = fixture.queue().await;
    let schedules = fixture.schedules().await;
    schedules.save_many(NAMES.iter().map(|name| hourly(name)).collect()).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let schedules = fixture.schedules().await;
        connections.push(tokio::spawn(async move {
            let mut done: Vec<Tick> = Vec::new();
            for _ in 0..STEPS {
                let name = NAMES[rand::random_range(0..NAMES.len())];
                match rand::random_range(0..10) {
                    0 => schedules.pause(name).await.unwrap(),
                    1 | 2 => schedules.resume(name).await.unwrap(),
                    3 => {
                        let id = schedules.trigger(name).await.unwrap();
                        done.push(Tick::new(name, Timestamp::UNIX_EPOCH, true, Ok(id)));
                    }
                    4 => {
                        let overlap = rand::rng().random_bool(0.5);
                        schedules.save(hourly(name).overlap(overlap)).await.unwrap();
                    }
                    _ => {
                        let saved = known(&schedules, name).await;
                        let now = saved.next_at.unwrap();
                        let planned: Vec<_> = saved.plan(now).unwrap().into_iter().collect();
                        done.extend(schedules.tick(&planned).await.unwrap());
                    }
                }
            }
            done
        }));
    }
    let mut done: BTreeMap<String, Vec<Tick>> = BTreeMap::new();
    for connection in connections {
        for tick in connection.await.unwrap() {
            done.entry(tick.schedule.clone()).or_default().push(tick);
        }
    }
    let mut tasks = BTreeSet::new();
    for name in NAMES {
        let ticks = done.remove(name).unwrap_or_default();
        let saved = known(&schedules, name).await;
        let by_time: BTreeSet<_> = ticks.iter().filter(|tick| !tick.manual).map(|tick| tick.at).collect();
        assert_eq!(
            by_time.len(),
            ticks.iter().filter(|tick| !tick.manual).count(),
            "{name}: a tick was doubled"
        );
        // The grid has no gap: nothing was due by the clock, so no resume has passed over a tick.
        if let (Some(first), Some(last)) = (by_time.first(), by_time.last()) {
            let span = last.duration_since(*first).as_hours();
            assert_eq!(span + 1, by_time.len() as i64, "{name}: a tick was lost");
            assert_eq!((saved.next_at, saved.last_at), (Some(*last + HOUR), Some(*last)));
        }
        let enqueued: Vec<_> = ticks.iter().filter_map(|tick| tick.task_id).collect();
        let runs = ticks.iter().filter(|tick| !tick.manual && tick.task_id.is_some()).count();
        assert_eq!(saved.runs, runs as u64, "{name}");
        let history = schedules.history(name, 100).await.unwrap();
        assert_eq!(history.iter().filter(|tick| !tick.manual).count(), by_time.len().min(100), "{name}");
        tasks.extend(enqueued);
    }
    let listed = queue.list(&TaskFilter { limit: Some(10_000), ..TaskFilter::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|task| task.id).collect::<BTreeSet<_>>(), tasks);
}
