//! C22: each tick enqueues its task once.

use super::*;
use crate::conformance::ScheduleFixture;

/// A tick that has come enqueues the task, moves the schedule on, and is noted.
pub async fn c22_a_due_tick_enqueues_its_task(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    assert_eq!(schedules.next_tick(None).await.unwrap(), None);
    let mut schedule = hourly("one");
    schedule.task = task(7).queue("reports").priority(3).metadata("tenant", 7);
    let saved = schedules.save(schedule).await.unwrap();
    let due = saved.next_at.unwrap();
    assert_eq!(due, saved.anchor + HOUR);
    let wait = schedules.next_tick(None).await.unwrap().unwrap();
    assert!(wait > hours(1) - Duration::from_secs(60) && wait <= HOUR, "{wait:?}");
    assert_eq!(schedules.due(None, 10).await.unwrap().schedules, []);
    assert_eq!(saved.plan(due - Duration::from_micros(1)).unwrap(), None);

    let ticks = tick_at(&schedules, "one", due).await;
    let id = ticks[0].task_id.unwrap();
    assert_eq!(ticks, [Tick::new("one", due, false, Ok(id))]);
    let enqueued = queue.get(id).await.unwrap().unwrap();
    assert_eq!((number(&enqueued), enqueued.queue.as_str(), enqueued.priority), (7, "reports", 3));
    assert_eq!(enqueued.state, TaskState::Ready);
    let notes = &enqueued.metadata;
    assert_eq!((&notes["schedule"], &notes["tenant"]), (&"one".into(), &7.into()));
    assert_eq!(notes["tick"].as_str().unwrap().parse::<Timestamp>().unwrap(), due);
    let after = known(&schedules, "one").await;
    assert_eq!((after.next_at, after.last_at, after.last_task), (Some(due + HOUR), Some(due), Some(id)));
    assert_eq!((after.runs, after.version), (1, saved.version));
    assert_eq!(schedules.history("one", 10).await.unwrap(), ticks);
}

/// A point in time that has passed fires at once, and only once.
pub async fn c22_a_point_in_time_fires_once(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let at = Timestamp::now() - Duration::from_secs(5);
    schedules.save(Schedule::new("once", Timing::at(at), task(1)).unwrap()).await.unwrap();
    assert_eq!(schedules.next_tick(None).await.unwrap(), Some(Duration::ZERO));
    let due = schedules.due(None, 10).await.unwrap();
    assert_eq!(due.schedules.len(), 1);
    let planned = due.schedules[0].plan(due.now).unwrap().unwrap();
    assert_eq!(schedules.tick(&[planned]).await.unwrap().len(), 1);
    assert_eq!(
        (schedules.next_tick(None).await.unwrap(), known(&schedules, "once").await.next_at),
        (None, None)
    );
    // Its definition is the same, so it does not fire again.
    schedules.save(Schedule::new("once", Timing::at(at), task(1)).unwrap()).await.unwrap();
    assert_eq!(schedules.next_tick(None).await.unwrap(), None);
}

/// Many workers carry out the same ticks: each wins some of them, and no tick is carried out twice or left out.
pub async fn c22_many_workers_carry_out_each_tick_once(fixture: &dyn ScheduleFixture) {
    const WORKERS: usize = 8;
    const SCHEDULES: usize = 6;
    const TICKS: usize = 40;
    let schedules = fixture.schedules().await;
    let names: Vec<String> = (0..SCHEDULES).map(|index| format!("s{index}")).collect();
    let saved = schedules.save_many(names.iter().map(|name| hourly(name)).collect()).await.unwrap();
    let last = saved.iter().filter_map(|saved| saved.next_at).max().unwrap() + HOUR * (TICKS as u32 - 1);
    let mut workers = Vec::new();
    for offset in 0..WORKERS {
        let (schedules, names) = (fixture.schedules().await, names.clone());
        workers.push(tokio::spawn(async move {
            let mut ticks = Vec::new();
            loop {
                let mut planned = Vec::new();
                for name in &names {
                    let saved = known(&schedules, name).await;
                    // One tick at a time, as if it were due just now.
                    let now = saved.next_at.unwrap();
                    planned.extend(if now <= last { saved.plan(now).unwrap() } else { None });
                }
                if planned.is_empty() {
                    return ticks;
                }
                // In different orders, which must not matter.
                let first = offset % planned.len();
                planned.rotate_left(first);
                ticks.extend(schedules.tick(&planned).await.unwrap());
            }
        }));
    }
    let mut ticks = Vec::new();
    for worker in workers {
        ticks.extend(worker.await.unwrap());
    }
    for saved in saved {
        let name = &saved.schedule.name;
        let mut of: Vec<_> = ticks.iter().filter(|tick| tick.schedule == *name).cloned().collect();
        of.sort_by_key(|tick| tick.at);
        let first = saved.next_at.unwrap();
        let wanted: Vec<_> = (0..).take_while(|hour| first + HOUR * *hour <= last).map(i64::from).collect();
        assert_eq!(as_hours(&of, first), wanted, "{name}");
        let after = known(&schedules, name).await;
        assert_eq!(after.runs, of.len() as u64);
        let history = schedules.history(name, 100).await.unwrap();
        of.reverse();
        assert_eq!(history, of);
    }
    assert_eq!(total(&fixture.queue().await).await, ticks.len() as u64);
}

/// A tick that was planned is carried out only if the schedule is as it was read.
pub async fn c22_what_has_changed_meanwhile_is_not_ticked(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let saved = schedules.save(hourly("one")).await.unwrap();
    let due = saved.next_at.unwrap();
    let planned = saved.plan(due).unwrap().unwrap();
    schedules.pause("one").await.unwrap();
    assert_eq!(schedules.tick(std::slice::from_ref(&planned)).await.unwrap(), []);
    assert_eq!(known(&schedules, "one").await.plan(due).unwrap(), None);
    schedules.resume("one").await.unwrap();
    schedules.save(hourly("one").overlap(false)).await.unwrap();
    assert_eq!(schedules.tick(std::slice::from_ref(&planned)).await.unwrap(), []);
    schedules.delete("one").await.unwrap();
    assert_eq!(schedules.tick(&[planned]).await.unwrap(), []);
    let fresh = schedules.save(hourly("one")).await.unwrap();
    let planned = fresh.plan(fresh.next_at.unwrap()).unwrap().unwrap();
    assert_eq!(schedules.tick(std::slice::from_ref(&planned)).await.unwrap().len(), 1);
    assert_eq!(tick_at(&schedules, "one", planned.next_at.unwrap()).await.len(), 1);
    // A plan of before neither ticks nor sets the schedule back.
    let after = known(&schedules, "one").await;
    assert_eq!(schedules.tick(&[planned]).await.unwrap(), []);
    assert_eq!(known(&schedules, "one").await, after);
    // Another schedule with the same name, the same times and the same version.
    let at = Timestamp::now() - Duration::from_secs(5);
    let once = |number| Schedule::new("once", Timing::at(at), task(number)).unwrap();
    let planned = schedules.save(once(1)).await.unwrap().plan(Timestamp::now()).unwrap().unwrap();
    schedules.delete("once").await.unwrap();
    schedules.save(once(2)).await.unwrap();
    assert_eq!(schedules.tick(&[planned]).await.unwrap(), []);
    assert_eq!(total(&queue).await, 2);
}

/// Without overlap a tick is skipped while a task of the schedule waits, runs or is retried; it does not count.
pub async fn c22_without_overlap_ticks_are_skipped_while_a_task_runs(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let due = schedules.save(hourly("one").overlap(false).max_runs(3)).await.unwrap().next_at.unwrap();
    assert_eq!(skipped(&tick_at(&schedules, "one", due).await), [""]);
    assert_eq!(skipped(&tick_at(&schedules, "one", due + hours(1)).await), ["overlap"]);
    let held = take(&queue).await;
    assert_eq!(skipped(&tick_at(&schedules, "one", due + hours(2)).await), ["overlap"]);
    queue.retry_later(&held, HOUR, None).await.unwrap();
    assert_eq!(skipped(&tick_at(&schedules, "one", due + hours(3)).await), ["overlap"]);
    queue.retry(held.id).await.unwrap();
    queue.complete(&take(&queue).await).await.unwrap();
    assert_eq!(skipped(&tick_at(&schedules, "one", due + hours(4)).await), [""]);
    // A dead letter has ended.
    let held = take(&queue).await;
    queue.settle(&[settlement(&held, Outcome::Fail { error: boom() })], SettleMode::All).await.unwrap();
    assert_eq!(skipped(&tick_at(&schedules, "one", due + hours(5)).await), [""]);
    let after = known(&schedules, "one").await;
    assert_eq!((after.runs, after.next_at), (3, None));
    let history = schedules.history("one", 100).await.unwrap();
    assert_eq!(skipped(&history), ["", "", "overlap", "overlap", "overlap", ""]);
}

/// Of several ticks in one plan without overlap the first one runs.
pub async fn c22_without_overlap_one_of_several_ticks_runs(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let schedule = hourly("one").overlap(false).missed(Missed::All(5));
    let due = schedules.save(schedule).await.unwrap().next_at.unwrap();
    let ticks = tick_at(&schedules, "one", due + hours(3)).await;
    assert_eq!(skipped(&ticks), ["", "overlap", "overlap", "overlap"]);
    assert_eq!(known(&schedules, "one").await.runs, 1);
}

/// A schedule ends after its last run, and at its end.
pub async fn c22_a_schedule_ends(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let schedule = hourly("runs").max_runs(2).missed(Missed::All(10));
    let due = schedules.save(schedule).await.unwrap().next_at.unwrap();
    assert_eq!(as_hours(&tick_at(&schedules, "runs", due + hours(5)).await, due), [0, 1]);
    assert_eq!(known(&schedules, "runs").await.next_at, None);

    let start = Timestamp::now().round(jiff::Unit::Second).unwrap() + hours(7);
    let schedule = hourly("span").starts_at(start).ends_at(start + hours(2)).missed(Missed::All(10));
    assert_eq!(schedules.save(schedule).await.unwrap().next_at, Some(start));
    assert_eq!(as_hours(&tick_at(&schedules, "span", start + hours(9)).await, start), [0, 1, 2]);
    assert_eq!(known(&schedules, "span").await.next_at, None);
    assert_eq!((schedules.next_tick(None).await.unwrap(), total(&queue).await), (None, 5));
}

/// Paused, a schedule has no ticks; what passes meanwhile is not missed.
pub async fn c22_pause_stops_ticks_and_resume_goes_on(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let at = Timestamp::now() - Duration::from_secs(5);
    let past = Schedule::new("past", Timing::at(at), task(1)).unwrap();
    let next = schedules.save_many(vec![hourly("one"), past]).await.unwrap()[0].next_at;
    for _ in 0..2 {
        schedules.pause("one").await.unwrap();
        schedules.pause("past").await.unwrap();
    }
    let paused = known(&schedules, "one").await;
    assert!(paused.paused_at.is_some() && paused.next_at == next);
    assert_eq!(
        (schedules.next_tick(None).await.unwrap(), schedules.due(None, 10).await.unwrap().schedules),
        (None, vec![])
    );
    for _ in 0..2 {
        schedules.resume("one").await.unwrap();
        schedules.resume("past").await.unwrap();
    }
    assert_eq!(known(&schedules, "one").await, SavedSchedule { paused_at: None, ..paused });
    assert_eq!(known(&schedules, "past").await.next_at, None);
}

/// A tick by hand enqueues the task and moves nothing, also while the schedule is paused.
pub async fn c22_trigger_enqueues_by_hand(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let saved = schedules.save(hourly("one").jitter(HOUR).max_runs(1)).await.unwrap();
    schedules.pause("one").await.unwrap();
    let (first, second) = (schedules.trigger("one").await.unwrap(), schedules.trigger("one").await.unwrap());
    let task = queue.get(second).await.unwrap().unwrap();
    assert_eq!((task.state, &task.metadata["schedule"]), (TaskState::Ready, &"one".into()));
    let after = known(&schedules, "one").await;
    assert_eq!((after.next_at, after.runs, after.last_at), (saved.next_at, 0, None));
    assert_eq!(after.last_task, Some(second));
    let history = schedules.history("one", 10).await.unwrap();
    assert!(history.iter().all(|tick| tick.manual) && history[0].at > history[1].at);
    assert_eq!(history.iter().map(|tick| tick.task_id).collect::<Vec<_>>(), [Some(second), Some(first)]);
}

/// The last hundred ticks are kept, latest first.
pub async fn c22_history_keeps_the_last_hundred_ticks(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let due = schedules.save(hourly("one").missed(Missed::All(10_000))).await.unwrap().next_at.unwrap();
    let now = due + hours(229);
    let mut ticks = Vec::new();
    for count in [100, 100, 30, 0] {
        let more = tick_at(&schedules, "one", now).await;
        assert_eq!(more.len(), count);
        ticks.extend(more);
    }
    assert_eq!(as_hours(&ticks, due), (0..230).collect::<Vec<_>>());
    ticks.reverse();
    assert_eq!(schedules.history("one", 1_000).await.unwrap(), ticks[..100]);
    assert_eq!(schedules.history("one", 3).await.unwrap(), ticks[..3]);
    assert_eq!(known(&schedules, "one").await.runs, 230);
}

/// Tasks are delayed by up to the jitter, beside their own delay, which counts from the tick; the ticks are not.
pub async fn c22_jitter_delays_tasks_and_not_ticks(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let mut schedule = hourly("one").jitter(HOUR);
    schedule.task = task(1).delay(HOUR);
    let due = schedules.save(schedule).await.unwrap().next_at.unwrap();
    let mut starts = Vec::new();
    for hour in 0..8 {
        let ticks = tick_at(&schedules, "one", due + hours(hour)).await;
        assert_eq!(ticks[0].at, due + hours(hour));
        let task = queue.get(ticks[0].task_id.unwrap()).await.unwrap().unwrap();
        starts.push(task.run_at.duration_since(ticks[0].at).unsigned_abs());
    }
    assert!(starts.iter().all(|start| *start >= HOUR && *start <= hours(2)), "{starts:?}");
    starts.sort();
    assert!(starts[7] - starts[0] > Duration::from_secs(60), "{starts:?}");
}

/// However many ticks were skipped since, a task that has not ended is known.
pub async fn c22_without_overlap_a_long_run_is_not_forgotten(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let schedule = hourly("one").overlap(false).missed(Missed::All(10_000));
    let due = schedules.save(schedule).await.unwrap().next_at.unwrap();
    let mut ticks = Vec::new();
    for _ in 0..3 {
        ticks.extend(tick_at(&schedules, "one", due + hours(249)).await);
    }
    assert_eq!((ticks.len(), known(&schedules, "one").await.runs), (250, 1));
    assert_eq!(schedules.history("one", 1_000).await.unwrap().len(), 100);
}

/// What is due comes a page at a time, in order, and the next tick beside it is known.
pub async fn c22_what_is_due_comes_in_pages(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let past = Timestamp::now().round(jiff::Unit::Second).unwrap() - HOUR;
    let once = |name: &str, at| Schedule::new(name, Timing::at(at), task(1)).unwrap();
    let saved = ["c", "a", "b", "d"].map(|name| once(name, past));
    schedules.save_many(saved.to_vec()).await.unwrap();
    schedules.save_many(vec![once("first", past - HOUR), hourly("later")]).await.unwrap();
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let due = schedules.due(after, 2).await.unwrap();
        names.extend(due.schedules.iter().map(|saved| saved.schedule.name.clone()));
        after = due.next;
        if after.is_none() {
            break;
        }
        assert_eq!(due.schedules.len(), 2);
    }
    assert_eq!(names, ["first", "a", "b", "c", "d"]);
    assert_eq!(schedules.next_tick(None).await.unwrap(), Some(Duration::ZERO));
    let wait = schedules.next_tick(Some(Timestamp::now())).await.unwrap().unwrap();
    assert!(wait > HOUR - Duration::from_secs(60) && wait <= HOUR, "{wait:?}");
}
