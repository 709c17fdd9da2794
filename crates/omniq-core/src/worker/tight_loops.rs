//! Tasks that run again and again without a pause, by a mistake in their handler: they are slowed and logged.

use std::time::Duration;

use crate::model::{Outcome, Task};

/// The number of runs of a task that may follow each other without a pause.
const FREE: u32 = 10;
/// A shorter wait counts as none. Longer ones are left as they are.
const SHORT: Duration = Duration::from_millis(50);
/// The wait of a task in a tight loop: it doubles with each run.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// The outcome, with a longer wait if the task is in a tight loop.
pub(super) fn slowed(task: &Task, mut outcome: Outcome) -> Outcome {
    let runs = task.claim.map_or(0, |claim| claim.number);
    if let Outcome::RetryLater { delay, .. } | Outcome::Snooze { delay } = &mut outcome
        && *delay < SHORT
        && runs > FREE
    {
        let doubled = 1 << (runs - FREE - 1).min(16);
        let pause = (PAUSE.0 * doubled).min(PAUSE.1);
        if runs == FREE + 1 || runs.is_power_of_two() {
            tracing::warn!(
                task = %task.id, func = task.func, runs, asked = ?*delay, given = ?pause,
                "a task runs again and again without a pause; it is slowed: let its handler wait longer, or end"
            );
        }
        *delay = pause;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Claim, NewTask, TaskId, WorkerId};

    fn delay_of(run: u32, delay: Duration) -> Duration {
        let mut task =
            Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), 1, jiff::Timestamp::now());
        task.claim = Some(Claim { worker: WorkerId(1), number: run });
        let snoozed = slowed(&task, Outcome::Snooze { delay });
        let retried = slowed(&task, Outcome::RetryLater { delay, error: None });
        let (Outcome::Snooze { delay }, Outcome::RetryLater { delay: same, .. }) = (snoozed, retried) else {
            panic!("another outcome");
        };
        assert_eq!(delay, same);
        delay
    }

    #[test]
    fn waits_are_kept_and_only_tight_loops_are_slowed() {
        let millis = Duration::from_millis;
        for run in [1, 10, 11, 12, 1_000, u32::MAX] {
            assert_eq!(delay_of(run, millis(50)), millis(50), "run {run}");
        }
        let given =
            [1, 10, 11, 12, 13, 14, 15, 100, u32::MAX].map(|run| delay_of(run, millis(0)).as_millis());
        assert_eq!(given, [0, 0, 100, 200, 400, 800, 1000, 1000, 1000]);
    }
}
