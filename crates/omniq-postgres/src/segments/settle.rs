//! Settlements in the form that `settle.sql` takes: those with the same claim, outcome and base id are one group.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use omniq_core::{Claim, Error, Outcome, Result, SettleMode, Settlement, TaskError, TaskId, TaskResult};
use uuid::Uuid;

use super::result_batch::ResultBatch;
use super::results::gather;
use super::{Bitmap, base_id, offset_of};
use crate::events::EventBatch;
use crate::sql::{Columns, Named, json, signed};
use crate::transaction::TaskRecord;

/// What the settlements of a group share: base id, claim, outcome, its delay and its error.
type Key = (u128, Option<Claim>, &'static str, u64, Option<String>);

#[derive(Debug, Default)]
struct Group<'a> {
    first: usize,
    last: usize,
    /// The offset of each task, and its index in the batch.
    tasks: Vec<(usize, usize)>,
    /// The offset of each task with a result, and the result.
    results: Vec<(usize, &'a TaskResult)>,
}

#[derive(Debug, Default)]
pub(crate) struct SettleBatch<'a> {
    pub(crate) firsts: Vec<Uuid>,
    pub(crate) lasts: Vec<Uuid>,
    pub(crate) base_ids: Vec<Uuid>,
    pub(crate) masks: Vec<Bitmap>,
    pub(crate) workers: Vec<Option<i64>>,
    pub(crate) numbers: Vec<Option<i32>>,
    pub(crate) outcomes: Vec<&'static str>,
    pub(crate) delays: Vec<f64>,
    pub(crate) errors: Vec<Option<String>>,
    /// For each row of results, each event and each task to enqueue: the number of its group, from 1, and its distance from the group's first task.
    pub(crate) result_tasks: (Vec<i32>, Vec<i32>),
    pub(crate) event_tasks: (Vec<i32>, Vec<i32>),
    pub(crate) enqueue_tasks: (Vec<i32>, Vec<i32>),
    pub(crate) results: ResultBatch<'a>,
    pub(crate) events: EventBatch<'a>,
    /// Records of `enqueue_recorded()`.
    pub(crate) enqueues: Vec<String>,
    /// Of two settlements of a task by the same claim the first one counts. This is the first task that has two.
    twice: Option<TaskId>,
    groups: Vec<Group<'a>>,
}

impl<'a> SettleBatch<'a> {
    /// Of settlements that have been checked. Error `is_claim_lost` if two are the same, and it is all or nothing.
    pub(crate) fn of(settlements: &'a [Cow<'_, Settlement>], mode: SettleMode) -> Result<Self> {
        let batch = Self::new(settlements)?;
        match batch.twice {
            Some(task) if mode == SettleMode::All => Err(Error::claim_lost(format!(
                "task {task} is settled twice in one batch: nothing was changed"
            ))),
            _ => Ok(batch),
        }
    }

    fn new(settlements: &'a [Cow<'_, Settlement>]) -> Result<Self> {
        let mut batch = Self::default();
        let mut known: HashMap<Key, usize, RandomState> = HashMap::default();
        let mut seen = HashSet::with_capacity_and_hasher(settlements.len(), RandomState::default());
        for (rank, settlement) in settlements.iter().enumerate() {
            if !seen.insert((settlement.task_id, settlement.claim)) {
                batch.twice.get_or_insert(settlement.task_id);
                continue;
            }
            let (outcome, delay, error) = parts(&settlement.outcome)?;
            let error = error.map(json).transpose()?;
            let id = settlement.task_id.as_uuid();
            let key = (base_id(id).as_u128(), settlement.claim, outcome, delay.to_bits(), error);
            let offset = offset_of(id);
            let group = match known.get(&key) {
                Some(group) => *group,
                None => {
                    batch.base_ids.push(base_id(id));
                    batch.workers.push(key.1.map(|claim| claim.worker.0));
                    batch.numbers.push(key.1.map(|claim| signed(claim.number)));
                    batch.outcomes.push(outcome);
                    batch.delays.push(delay);
                    batch.errors.push(key.4.clone());
                    batch.groups.push(Group { first: offset, last: offset, ..Group::default() });
                    known.insert(key, batch.groups.len() - 1);
                    batch.groups.len() - 1
                }
            };
            let no = group as i32 + 1;
            for event in &settlement.events {
                batch.events.push(event)?;
                batch.event_tasks.0.push(no);
                batch.event_tasks.1.push(offset as i32);
            }
            for task in &settlement.enqueues {
                batch.enqueues.push(json(&TaskRecord::enqueued(task)?)?);
                batch.enqueue_tasks.0.push(no);
                batch.enqueue_tasks.1.push(offset as i32);
            }
            let group = &mut batch.groups[group];
            group.results.extend(settlement.result.as_ref().map(|result| (offset, result)));
            group.first = group.first.min(offset);
            group.last = group.last.max(offset);
            group.tasks.push((offset, rank));
        }
        batch.finish()?;
        Ok(batch)
    }

    /// Fills the columns that are known only when all groups are complete.
    fn finish(&mut self) -> Result<()> {
        for (no, group) in (1..).zip(&mut self.groups) {
            for (offset, row) in gather(std::mem::take(&mut group.results)) {
                self.results.push_row(row)?;
                self.result_tasks.0.push(no);
                self.result_tasks.1.push(offset as i32);
            }
        }
        for (group, base) in self.groups.iter().zip(&self.base_ids) {
            let at = |offset: usize| Uuid::from_u128(base.as_u128() + offset as u128);
            self.firsts.push(at(group.first));
            self.lasts.push(at(group.last));
            let mut mask = Bitmap::zeros(group.last - group.first + 1);
            group.tasks.iter().for_each(|(offset, _)| mask.set(offset - group.first));
            self.masks.push(mask);
        }
        for (nos, offsets) in [&mut self.result_tasks, &mut self.event_tasks, &mut self.enqueue_tasks] {
            for (no, offset) in nos.iter().zip(offsets) {
                *offset -= self.groups[*no as usize - 1].first as i32;
            }
        }
        Ok(())
    }

    /// The parameters that `settle.sql`, `busy.sql` and, but for the last, `single_out_held.sql` share.
    pub(crate) fn claims_of(&self) -> [Named<'_>; 7] {
        [
            ("firsts", &self.firsts),
            ("lasts", &self.lasts),
            ("base_ids", &self.base_ids),
            ("masks", &self.masks),
            ("workers", &self.workers),
            ("numbers", &self.numbers),
            ("outcomes", &self.outcomes),
        ]
    }

    /// Whether tasks stay in the table. `completed`: completed tasks are kept.
    pub(crate) fn keeps(&self, completed: bool) -> bool {
        self.outcomes.iter().any(|outcome| match *outcome {
            "complete" => completed,
            outcome => !["cancel", "discard", "expire"].contains(&outcome),
        })
    }

    /// Whether `settle_singles.sql` can settle them if each is in a row of its own: all are held by a claim and leave the table, and no two
    /// share a base id. `completed`: completed tasks are kept.
    pub(crate) fn leaves_singles(&self, completed: bool) -> bool {
        let leaves = |outcome: &&str| match *outcome {
            "complete" => !completed,
            outcome => ["cancel", "discard"].contains(&outcome),
        };
        let mut bases = HashSet::with_capacity_and_hasher(self.base_ids.len(), RandomState::default());
        self.outcomes.iter().all(leaves)
            && self.workers.iter().all(Option::is_some)
            && self.masks.iter().all(|mask| mask.len() == 1)
            && self.base_ids.iter().all(|base| bases.insert(base))
    }

    /// Whether some of the tasks may have results of earlier lives.
    pub(crate) fn is_again(&self) -> bool {
        self.numbers.iter().flatten().any(|number| *number > 1)
    }

    /// Whether tasks may become ready again, at their old positions in the queue; or others of the segment of one that waits, because
    /// claims pass over the segment while it is locked.
    pub(crate) fn brings_back(&self) -> bool {
        self.outcomes.iter().zip(&self.workers).any(|(outcome, worker)| match *outcome {
            "retry_later" | "release" | "snooze" => true,
            // What expires does so with its whole segment, which no claim takes any more.
            "cancel" => worker.is_none(),
            _ => false,
        })
    }

    /// The indexes in the batch of the settlements that the answer of `settle.sql` or `busy.sql` names.
    pub(crate) fn answered(&self, columns: &mut Columns<'_>) -> Result<Vec<usize>> {
        let (nos, distances): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
        let hits: Vec<Bitmap> = columns.take()?;
        let mut settled: Vec<Bitmap> = self.masks.iter().map(|mask| Bitmap::zeros(mask.len())).collect();
        for ((no, distance), hits) in nos.iter().zip(&distances).zip(&hits) {
            let settled = &mut settled[*no as usize - 1];
            // A row can begin before the group does, but none of the tasks before it was asked for.
            hits.ones()
                .filter_map(|offset| usize::try_from(offset as i64 + i64::from(*distance)).ok())
                .for_each(|offset| settled.set(offset));
        }
        let named = self
            .groups
            .iter()
            .zip(&settled)
            .flat_map(|(group, settled)| {
                let done = |(offset, _): &&(usize, usize)| settled.contains(*offset - group.first);
                group.tasks.iter().filter(done).map(|(_, rank)| *rank)
            })
            .collect();
        Ok(named)
    }

    /// The same of the answer of `settle_singles.sql`.
    pub(crate) fn answered_singles(&self, columns: &mut Columns<'_>) -> Result<Vec<usize>> {
        let nos: Vec<i64> = columns.take()?;
        let ranks = nos.iter().flat_map(|no| &self.groups[*no as usize - 1].tasks);
        Ok(ranks.map(|(_, rank)| *rank).collect())
    }
}

/// The name of an outcome, its delay in seconds, and its error.
pub(crate) fn parts(outcome: &Outcome) -> Result<(&'static str, f64, Option<&TaskError>)> {
    let (name, delay, error) = match outcome {
        Outcome::Complete => ("complete", None, None),
        Outcome::Fail { error } => ("fail", None, Some(error)),
        Outcome::RetryLater { delay, error } => ("retry_later", Some(*delay), error.as_ref()),
        Outcome::Release => ("release", None, None),
        Outcome::Snooze { delay } => ("snooze", Some(*delay), None),
        Outcome::Cancel => ("cancel", None, None),
        Outcome::Discard => ("discard", None, None),
        Outcome::Expire => ("expire", None, None),
        other => {
            return Err(Error::invalid(format!(
                "outcome {other:?} is not known to this storage: use one version of OmniQ's crates"
            )));
        }
    };
    Ok((name, delay.unwrap_or_default().as_secs_f64(), error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omniq_core::WorkerId;

    use super::*;

    /// Whether a settlement brings tasks back: of a task that a worker holds, and of one that waits. `None`: nothing settles such a task so.
    fn expected(outcome: &Outcome) -> (bool, Option<bool>) {
        match outcome {
            Outcome::RetryLater { .. } | Outcome::Release | Outcome::Snooze { .. } => (true, None),
            Outcome::Complete | Outcome::Fail { .. } | Outcome::Discard => (false, None),
            Outcome::Cancel => (false, Some(true)),
            Outcome::Expire => (false, Some(false)),
            other => panic!("say what {other:?} does"),
        }
    }

    #[test]
    fn a_batch_knows_whether_its_tasks_leave_and_can_be_alone() {
        let base = 0x0192_0000_0000_7000_8000_0000_0000_0000_u128;
        let of = |batch: &[(u128, Option<u32>, Outcome)]| -> Vec<Cow<'static, Settlement>> {
            let settlements = batch.iter().map(|(number, claim, outcome)| {
                let claim = claim.map(|number| Claim { worker: WorkerId(7), number });
                Settlement::new(TaskId::from(Uuid::from_u128(base + number)), claim, outcome.clone())
            });
            settlements.map(Cow::Owned).collect()
        };
        let (complete, error) = (|| Outcome::Complete, TaskError::new("E", "e"));
        for (batch, expected) in [
            (&[(0, Some(1), complete())][..], true),
            (&[(0, Some(1), complete()), (1 << 16, Some(2), Outcome::Cancel)], true),
            (&[(0, Some(1), Outcome::Discard)], true),
            (&[(0, None, Outcome::Cancel)], false),
            (&[(0, Some(1), Outcome::Fail { error })], false),
            (&[(0, Some(1), Outcome::Release)], false),
            (&[(0, Some(1), Outcome::Expire)], false),
            // Two of one base id: as one group, or as two.
            (&[(0, Some(1), complete()), (9, Some(1), complete())], false),
            (&[(0, Some(1), complete()), (9, Some(2), complete())], false),
        ] {
            let settlements = of(batch);
            let found = SettleBatch::new(&settlements).unwrap();
            assert_eq!(found.leaves_singles(false), expected, "{batch:?}");
            let completes = batch.iter().any(|(_, _, outcome)| *outcome == Outcome::Complete);
            assert_eq!(found.leaves_singles(true), expected && !completes, "{batch:?}");
            assert_eq!(found.is_again(), batch.iter().any(|(_, claim, _)| *claim == Some(2)), "{batch:?}");
        }
    }

    #[test]
    fn a_batch_knows_whether_it_brings_tasks_back() {
        let (error, delay) = (TaskError::new("E", "e"), Duration::ZERO);
        let all = [
            Outcome::Complete,
            Outcome::Fail { error: error.clone() },
            Outcome::RetryLater { delay, error: Some(error) },
            Outcome::Release,
            Outcome::Snooze { delay },
            Outcome::Cancel,
            Outcome::Discard,
            Outcome::Expire,
        ];
        let one =
            |outcome: &Outcome, claim| Cow::Owned(Settlement::new(TaskId::new(), claim, outcome.clone()));
        let claim = Some(Claim { worker: WorkerId(7), number: 1 });
        for outcome in &all {
            let (held, waiting) = expected(outcome);
            for (claim, expected) in [(claim, Some(held)), (None, waiting)] {
                let Some(expected) = expected else { continue };
                // Beside one that brings nothing back.
                let batch = [one(&Outcome::Complete, claim), one(outcome, claim)];
                let found = SettleBatch::new(&batch).unwrap().brings_back();
                assert_eq!(found, expected, "{outcome:?} with claim {claim:?}");
            }
        }
    }
}
