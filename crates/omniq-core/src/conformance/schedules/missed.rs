//! C22: ticks that are later than the grace.

use super::*;
use crate::conformance::ScheduleFixture;

/// What becomes of a schedule that was due first nine hours ago, with a grace of two and a half hours: the tasks, as hours after the first
/// tick, and the ticks that were skipped.
async fn after_nine_hours(fixture: &dyn ScheduleFixture, missed: Missed) -> (Vec<i64>, Vec<i64>) {
    let schedules = fixture.schedules().await;
    let schedule = hourly("one").missed(missed).grace(Duration::from_secs(9_000));
    let due = schedules.save(schedule).await.unwrap().next_at.unwrap();
    let ticks = tick_at(&schedules, "one", due + hours(9)).await;
    assert_eq!(known(&schedules, "one").await.next_at, Some(due + hours(10)));
    let (skipped, run): (Vec<_>, Vec<_>) = ticks.into_iter().partition(|tick| tick.skipped.is_some());
    assert!(skipped.iter().all(|tick| tick.skipped.as_deref() == Some("missed")));
    (as_hours(&run, due), as_hours(&skipped, due))
}

/// Those within the grace run.
pub async fn c22_missed_ticks_are_skipped(fixture: &dyn ScheduleFixture) {
    assert_eq!(after_nine_hours(fixture, Missed::Skip).await, (vec![7, 8, 9], vec![6]));
}

/// The latest of those that were missed runs, too.
pub async fn c22_missed_ticks_are_made_up_for_once(fixture: &dyn ScheduleFixture) {
    assert_eq!(after_nine_hours(fixture, Missed::Once).await, (vec![6, 7, 8, 9], vec![]));
}

/// The latest that many.
pub async fn c22_missed_ticks_are_all_made_up_for(fixture: &dyn ScheduleFixture) {
    assert_eq!(after_nine_hours(fixture, Missed::All(3)).await, (vec![4, 5, 6, 7, 8, 9], vec![]));
}

/// If it is fewer than that, all of them.
pub async fn c22_no_more_is_made_up_for_than_was_missed(fixture: &dyn ScheduleFixture) {
    assert_eq!(after_nine_hours(fixture, Missed::All(10_000)).await, ((0..10).collect(), vec![]));
}

/// The rule holds as well for a schedule that has ended meanwhile.
pub async fn c22_missed_ticks_of_an_ended_schedule_follow_the_rule(fixture: &dyn ScheduleFixture) {
    let schedules = fixture.schedules().await;
    for (missed, runs) in [(Missed::Skip, vec![]), (Missed::Once, vec![5]), (Missed::All(3), vec![3, 4, 5])] {
        let saved = schedules.save(hourly("one").missed(missed)).await.unwrap();
        let due = saved.next_at.unwrap();
        let ended = saved.schedule.ends_at(due + hours(5));
        assert_eq!(schedules.save(ended).await.unwrap().next_at, Some(due));
        let ticks = tick_at(&schedules, "one", due + hours(9)).await;
        let run: Vec<_> = ticks.into_iter().filter(|tick| tick.task_id.is_some()).collect();
        assert_eq!(as_hours(&run, due), runs, "{missed:?}");
        assert_eq!(known(&schedules, "one").await.next_at, None);
        schedules.delete("one").await.unwrap();
    }
}
