//! Settlements.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::graph::End;
use super::tasks::{Entry, Tasks};
use crate::model::*;
use crate::{Error, Result};

impl Tasks {
    /// Settles each by itself, or all or none.
    pub(super) fn settle(
        &mut self,
        batch: &[Cow<'_, Settlement>],
        mode: SettleMode,
        keep_completed: bool,
        now: Timestamp,
    ) -> Result<Vec<Settled>> {
        if mode == SettleMode::All {
            let mut seen = HashSet::new();
            for settlement in batch {
                if !seen.insert(settlement.task_id) || !self.may_settle(settlement, now) {
                    return Err(Error::claim_lost(format!(
                        "task {} is not held by this claim any more: nothing was changed",
                        settlement.task_id
                    )));
                }
            }
        }
        Ok(batch
            .iter()
            .map(|settlement| {
                if !self.may_settle(settlement, now) {
                    return Settled::Lost;
                }
                self.carry_out(settlement, keep_completed, now);
                for task in &settlement.enqueues {
                    self.add(task.clone(), task.id.unwrap_or_else(TaskId::new), now);
                }
                Settled::Done
            })
            .collect())
    }

    fn may_settle(&self, settlement: &Settlement, now: Timestamp) -> bool {
        let Some(entry) = self.get(settlement.task_id) else { return false };
        let verb = settlement.outcome.verb(settlement.claim.is_some());
        entry.task.claim == settlement.claim
            && entry.task.state.after(verb) != Step::No
            && (verb != Verb::Expire || entry.is_expired(now))
    }

    fn carry_out(&mut self, settlement: &Settlement, keep_completed: bool, now: Timestamp) {
        let id = settlement.task_id;
        match &settlement.outcome {
            Outcome::Complete if keep_completed => {
                self.change(id, |entry| end_for_good(entry, TaskState::Completed, now));
                self.ended(id, End::Completed, now);
            }
            Outcome::Complete => {
                self.ended(id, End::Completed, now);
                self.remove(id, now);
            }
            Outcome::Cancel | Outcome::Discard | Outcome::Expire => self.remove(id, now),
            Outcome::Fail { error } => {
                self.change(id, |entry| {
                    end_for_good(entry, TaskState::Dead, now);
                    entry.task.error = Some(error.clone());
                });
                self.ended(id, End::Dead, now);
            }
            Outcome::RetryLater { delay, error } => self.change(id, |entry| {
                put_off(entry, *delay, now);
                if let Some(error) = error {
                    entry.task.error = Some(error.clone());
                }
            }),
            Outcome::Snooze { delay } => self.change(id, |entry| {
                put_off(entry, *delay, now);
                entry.task.attempt = entry.task.attempt.saturating_sub(1);
            }),
            Outcome::Release => self.hand_back(id),
        }
    }

    /// Makes the task ready as if it had not been claimed; its time to live is unchanged.
    pub(super) fn hand_back(&mut self, id: TaskId) {
        self.change(id, |entry| {
            end_run(entry, TaskState::Ready);
            entry.task.attempt = entry.task.attempt.saturating_sub(1);
        });
    }
}

fn end_run(entry: &mut Entry, state: TaskState) {
    entry.task.state = state;
    entry.task.claim = None;
    entry.task.claimed_at = None;
}

fn end_for_good(entry: &mut Entry, state: TaskState, now: Timestamp) {
    end_run(entry, state);
    entry.ended_at = Some(now);
}

fn put_off(entry: &mut Entry, delay: Duration, now: Timestamp) {
    end_run(entry, TaskState::Ready);
    entry.task.start_at(now.checked_add(delay).unwrap_or(Timestamp::MAX), now);
}
