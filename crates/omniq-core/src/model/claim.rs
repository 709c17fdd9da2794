//! A worker's hold on a task.

use super::WorkerId;

/// A worker's hold on a task. `number` grows with every claim of the task, so that a settlement by an earlier claim,
/// even one of the same worker, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The worker that holds the task.
    pub worker: WorkerId,
    /// The number of this claim of the task, from 1.
    pub number: u32,
}
