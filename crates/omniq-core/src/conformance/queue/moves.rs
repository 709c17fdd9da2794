//! The steps of the random sequences of verbs.

use crate::*;

/// One step of a sequence.
#[derive(Debug, Clone, Copy)]
pub enum Move {
    /// Enqueues tasks that share all these fields.
    Enqueue {
        /// How many.
        count: usize,
        /// Their priority.
        priority: i16,
        /// Their number of retries.
        retries: u32,
        /// Whether they start far in the future.
        delayed: bool,
        /// Whether their time to live has ended by the next step. Only without `delayed`.
        expiring: bool,
    },
    /// Applies a verb to the task with this position among all that were enqueued, if there are any.
    Do {
        /// The verb. `Dequeue`, `Rescue` and `RescueLast` apply to the tasks that are next: 1 + `place` modulo 4.
        verb: Verb,
        /// The position, modulo the number of tasks.
        place: usize,
        /// Whether a retry or snooze has no delay.
        at_once: bool,
    },
}
