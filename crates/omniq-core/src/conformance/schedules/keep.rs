//! C22: schedules are kept as they were saved, and changed and removed by name.

use futures_util::TryStreamExt;

use super::*;
use crate::conformance::ScheduleFixture;
use crate::layers::{SchedulesVerbs, WorkerSchedulesVerbs};

fn full(name: &str, timing: Timing) -> Schedule {
    let task = NewTask::new("report", &(17, "ä"))
        .unwrap()
        .queue("reports")
        .priority(-3)
        .delay(Duration::from_millis(1_500))
        .ttl(HOUR)
        .max_retries(9)
        .backoff(Backoff::fixed(Duration::from_secs(7)))
        .timeout(Duration::from_millis(333))
        .metadata("tenant", 7)
        .callback(Callback::new([EndKind::Dead], "alert"));
    Schedule::new(name, timing, task)
        .unwrap()
        .missed(Missed::All(250))
        .grace(Duration::from_secs(90))
        .jitter(Duration::from_millis(250))
        .overlap(false)
        .max_runs(12)
        .starts_at("2026-03-29T01:30:00Z".parse().unwrap())
        .ends_at("2199-01-01T00:00:00Z".parse().unwrap())
}

/// Every field comes back, by get and by list.
pub async fn c22_a_saved_schedule_comes_back(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let timings = [
        Timing::cron("30 2 * * *", "Europe/Berlin").unwrap(),
        Timing::every(Duration::from_millis(1_250)).unwrap(),
        Timing::at("2101-01-01T00:00:00.123456Z".parse().unwrap()),
    ];
    let given: Vec<_> =
        timings.into_iter().enumerate().map(|(index, timing)| full(&format!("{index}"), timing)).collect();
    let saved = schedules.save_many(given.clone()).await.unwrap();
    assert_eq!(saved.iter().map(|saved| saved.schedule.clone()).collect::<Vec<_>>(), given);
    for saved in &saved {
        assert!(saved.next_at.is_some() && saved.last_at.is_none() && saved.paused_at.is_none());
        assert_eq!((saved.runs, &saved.app, saved.last_task), (0, &None, None));
        let read = known(&schedules, &saved.schedule.name).await;
        assert_eq!(SavedSchedule { created_at: saved.created_at, ..read }, *saved);
    }
    let listed = fixture.schedules().await.list(&ScheduleFilter::default()).await.unwrap();
    assert_eq!(
        listed.iter().map(|saved| &saved.schedule).collect::<Vec<_>>(),
        given.iter().collect::<Vec<_>>()
    );
    assert_eq!(schedules.get("none").await.unwrap(), None);
    assert_eq!(schedules.save_many(Vec::new()).await.unwrap(), []);
}

/// What cannot be carried out is refused, with the value and the remedy, and nothing of the call is written.
pub async fn c22_bad_schedules_are_refused_and_nothing_written(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let changed = |change: fn(&mut Schedule)| {
        let mut schedule = hourly("bad");
        change(&mut schedule);
        schedule
    };
    for (schedule, word) in [
        (changed(|schedule| schedule.name = String::new()), "empty"),
        (changed(|schedule| schedule.timing = Timing::Every(Duration::from_millis(99))), "0.1 seconds"),
        (changed(|schedule| schedule.missed = Missed::All(0)), "1 to 10000"),
        (changed(|schedule| schedule.missed = Missed::All(10_001)), "10001"),
        (changed(|schedule| schedule.grace = Duration::from_millis(999)), "0.999"),
        (changed(|schedule| schedule.jitter = Some(Duration::ZERO)), "jitter"),
        (changed(|schedule| schedule.max_runs = Some(0)), "max_runs = 0"),
        (changed(|schedule| schedule.task = task(1).id(TaskId::new())), "id"),
        (changed(|schedule| schedule.task = task(1).run_at(Timestamp::now())), "run_at"),
        (changed(|schedule| schedule.task = task(1).metadata("tick", 1)), "tick"),
        (changed(|schedule| schedule.task = task(1).queue("")), "queue name"),
        // Each tick adds to it.
        (changed(|schedule| schedule.task = task(1).metadata("long", "x".repeat(65_500))), "metadata"),
        (
            changed(|schedule| {
                schedule.starts_at = Some(Timestamp::now());
                schedule.ends_at = schedule.starts_at.map(|start| start - HOUR);
            }),
            "ends at",
        ),
        (hourly("good"), "two schedules"),
    ] {
        let error = schedules.save_many(vec![hourly("good"), schedule]).await.unwrap_err();
        assert!(error.is_invalid() && error.message().contains(word), "{word}: {error:?}");
    }
    for (cron, zone, word) in [
        ("* * * *", "UTC", "five fields"),
        ("61 * * * *", "UTC", "61"),
        ("0 0 30 2 *", "UTC", "never fires"),
        ("@daily", "UTC", "@daily"),
        ("0 0 * * *", "Europe/Atlantis", "Europe/Atlantis"),
    ] {
        let error = Timing::cron(cron, zone).unwrap_err();
        assert!(error.is_invalid() && error.message().contains(word), "{cron}: {error:?}");
    }
    assert_eq!(schedules.list(&ScheduleFilter::default()).await.unwrap(), []);
}

/// Saved anew, a schedule goes on with its ticks unless its times have changed.
pub async fn c22_saving_again_moves_the_ticks_only_with_the_times(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let first = schedules.save(hourly("one")).await.unwrap();
    assert_eq!(schedules.save(hourly("one")).await.unwrap().version, first.version);
    let due = first.next_at.unwrap();
    assert_eq!(tick_at(&schedules, "one", due).await.len(), 1);
    schedules.pause("one").await.unwrap();

    let other = schedules.save(hourly("one").overlap(false)).await.unwrap();
    assert_eq!((other.next_at, other.version, other.runs), (Some(due + HOUR), first.version + 1, 1));
    assert!(
        other.paused_at.is_some() && other.anchor == first.anchor && other.created_at == first.created_at
    );
    assert_eq!(known(&schedules, "one").await, other);

    let timing = Timing::every(hours(3)).unwrap();
    let later = schedules.save(Schedule::new("one", timing, task(2)).unwrap()).await.unwrap();
    assert!(later.anchor > first.anchor && later.runs == 1);
    assert_eq!(later.next_at, Some(later.anchor + hours(3)));
    assert_eq!(known(&schedules, "one").await, later);

    // It has run once.
    let ended = schedules.save(later.schedule.clone().max_runs(1)).await.unwrap();
    assert_eq!((ended.next_at, known(&schedules, "one").await.next_at), (None, None));
    let again = schedules.save(later.schedule.clone().max_runs(2)).await.unwrap();
    assert!(again.next_at.is_some());
}

/// Another end, or another number of runs, moves neither the grid nor the next tick; a tick that is due is carried out.
pub async fn c22_another_end_moves_no_tick(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    let first = schedules.save(hourly("one").max_runs(1)).await.unwrap();
    let due = first.next_at.unwrap();
    let end = due + hours(10);
    let other = schedules.save(hourly("one").max_runs(2).ends_at(end)).await.unwrap();
    assert_eq!((other.anchor, other.next_at), (first.anchor, Some(due)));
    assert_eq!(tick_at(&schedules, "one", due + Duration::from_secs(1)).await.len(), 1);
    let later = schedules.save(hourly("one").max_runs(2).ends_at(end + HOUR)).await.unwrap();
    assert_eq!((later.anchor, later.next_at), (first.anchor, Some(due + HOUR)));
    assert_eq!(schedules.save(hourly("one").ends_at(due)).await.unwrap().next_at, None);

    // A point in time that was carried out is not carried out again.
    let at = Timestamp::now() - Duration::from_secs(5);
    let once = Schedule::new("once", Timing::at(at), task(1)).unwrap();
    schedules.save(once.clone()).await.unwrap();
    assert_eq!(tick_at(&schedules, "once", Timestamp::now()).await.len(), 1);
    assert_eq!(schedules.save(once.clone().max_runs(9)).await.unwrap().next_at, None);

    // A start between two microseconds is the first tick.
    let start = Timestamp::now().round(jiff::Unit::Second).unwrap() + HOUR;
    let shifted = hourly("start").starts_at(start + Duration::from_nanos(500));
    assert_eq!(schedules.save(shifted).await.unwrap().next_at, Some(start));
}

/// Lists follow the filter, in the order of names, also a page at a time.
pub async fn c22_list_follows_the_filter(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    schedules.declare(worker, "shop", vec![hourly("b"), hourly("d")]).await.unwrap();
    let mut other = hourly("c");
    other.task.func = "other".to_owned();
    schedules.save_many(vec![other, hourly("a"), hourly("e")]).await.unwrap();
    schedules.pause("d").await.unwrap();
    schedules.pause("e").await.unwrap();
    let names = async |filter: ScheduleFilter| {
        let listed = schedules.list(&filter).await.unwrap();
        listed.into_iter().map(|saved| saved.schedule.name).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(ScheduleFilter::default()).await, "abcde");
    assert_eq!(names(ScheduleFilter { app: Some("shop".to_owned()), ..Default::default() }).await, "bd");
    assert_eq!(names(ScheduleFilter { app: Some("none".to_owned()), ..Default::default() }).await, "");
    assert_eq!(names(ScheduleFilter { func: Some("other".to_owned()), ..Default::default() }).await, "c");
    assert_eq!(names(ScheduleFilter { paused: Some(true), ..Default::default() }).await, "de");
    assert_eq!(names(ScheduleFilter { paused: Some(false), ..Default::default() }).await, "abc");
    let page = ScheduleFilter { after: Some("b".to_owned()), limit: Some(2), ..Default::default() };
    assert_eq!(names(page).await, "cd");
    let all: Vec<_> = schedules
        .iterate(ScheduleFilter { limit: Some(2), ..Default::default() })
        .try_collect()
        .await
        .unwrap();
    assert_eq!(all.len(), 5);
}

/// A schedule goes with its history; its tasks stay.
pub async fn c22_delete_removes_a_schedule_and_its_history(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let due = schedules.save(hourly("one")).await.unwrap().next_at.unwrap();
    tick_at(&schedules, "one", due).await;
    assert!(schedules.delete("one").await.unwrap());
    assert!(!schedules.delete("one").await.unwrap());
    assert_eq!(schedules.history("one", 100).await.unwrap(), []);
    assert_eq!((schedules.get("one").await.unwrap(), total(&queue).await), (None, 1));
    for error in [
        schedules.pause("one").await.unwrap_err(),
        schedules.resume("one").await.unwrap_err(),
        schedules.trigger("one").await.unwrap_err(),
    ] {
        assert!(error.is_not_found() && error.message().contains("\"one\""), "{error:?}");
    }
    assert_eq!(schedules.save(hourly("one")).await.unwrap().runs, 0);
}

/// Schedules are part of their queue.
pub async fn c22_schedules_are_where_their_queue_is(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    assert_eq!(schedules.location(), queue.location());
    schedules.save(hourly("one")).await.unwrap();
    let of_queue = queue.schedules().expect("the queue has schedules");
    assert_eq!(of_queue.get("one").await.unwrap().unwrap().schedule, hourly("one"));
}

/// After close every verb fails with `is_closed`; closing twice is harmless; other objects are unaffected.
pub async fn c13_after_close_every_verb_fails(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    schedules.save(hourly("one")).await.unwrap();
    schedules.close().await.unwrap();
    schedules.close().await.unwrap();
    let mut answers = SchedulesVerbs::call_each(&*schedules).await;
    answers.extend(WorkerSchedulesVerbs::call_each(&*schedules).await);
    assert_all_closed(answers, &[]);
    assert!(fixture.schedules().await.get("one").await.unwrap().is_some());
}
