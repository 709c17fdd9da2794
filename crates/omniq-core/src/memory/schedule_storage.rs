//! The in-memory schedule storage: each verb of the interface on the state that it shares with its queue.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryQueue;
use super::store::State;
use crate::model::*;
use crate::{Error, Location, Result, ScheduleStorage, TaskQueue, WorkerSchedules, verbs};

/// The schedules of a [`MemoryQueue`], by its clock. Clones are the same object.
#[derive(Debug, Clone)]
pub struct MemoryScheduleStorage(MemoryQueue);

impl MemoryScheduleStorage {
    /// The schedules of this queue. Both are closed together.
    pub fn new(queue: &MemoryQueue) -> Self {
        Self(queue.clone())
    }

    fn checked(&self, schedules: &[Schedule]) -> Result<()> {
        Schedule::check_all(schedules, &self.0.object.limits)
    }
}

#[async_trait]
impl ScheduleStorage for MemoryScheduleStorage {
    async fn save_many(&self, schedules: Vec<Schedule>) -> Result<Vec<SavedSchedule>> {
        self.checked(&schedules)?;
        let (mut state, now) = self.0.open()?;
        state.schedules.save(None, schedules, now)
    }

    async fn get(&self, name: &str) -> Result<Option<SavedSchedule>> {
        let (state, _) = self.0.open()?;
        Ok(state.schedules.get(name).cloned())
    }

    async fn list(&self, filter: &ScheduleFilter) -> Result<Vec<SavedSchedule>> {
        let (state, _) = self.0.open()?;
        let is_after =
            |saved: &&SavedSchedule| filter.after.as_ref().is_none_or(|after| saved.schedule.name > *after);
        let page = state.schedules.all().filter(is_after).filter(|saved| filter.selects(saved));
        Ok(page.take(filter.page_size() as usize).cloned().collect())
    }

    async fn delete(&self, name: &str) -> Result<bool> {
        let (mut state, _) = self.0.open()?;
        Ok(state.schedules.remove(name))
    }

    async fn pause(&self, name: &str) -> Result<()> {
        let (mut state, now) = self.0.open()?;
        state.schedules.change(name)?.paused_at.get_or_insert(now);
        Ok(())
    }

    async fn resume(&self, name: &str) -> Result<()> {
        let (mut state, now) = self.0.open()?;
        let saved = state.schedules.change(name)?;
        if saved.paused_at.take().is_some() && saved.next_at.is_some_and(|next| next <= now) {
            saved.next_at = saved.tick_after(now)?;
        }
        Ok(())
    }

    async fn trigger(&self, name: &str) -> Result<TaskId> {
        let (mut state, now) = self.0.open()?;
        let State { tasks, schedules, keys, .. } = &mut *state;
        let saved = schedules.change(name)?;
        let at = saved.tick_by_hand(now);
        let enqueued = keys.enqueue(vec![saved.schedule.task_by_hand(at)], tasks, now)?;
        let id = verbs::only(enqueued)?.id();
        schedules.triggered(name, at, id);
        self.0.store.notifier.notify();
        Ok(id)
    }

    async fn history(&self, name: &str, limit: u32) -> Result<Vec<Tick>> {
        let (state, _) = self.0.open()?;
        Ok(state.schedules.history(name).take(limit.min(100) as usize).cloned().collect())
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }

    fn location(&self) -> Location {
        self.0.location()
    }
}

#[async_trait]
impl WorkerSchedules for MemoryScheduleStorage {
    async fn next_tick(&self, after: Option<Timestamp>) -> Result<Option<Duration>> {
        let (state, now) = self.0.open()?;
        let open = state.schedules.all().filter(|saved| saved.paused_at.is_none());
        let next = open
            .filter_map(|saved| saved.next_at)
            .filter(|next| after.is_none_or(|after| *next > after))
            .min();
        Ok(next.map(|next| next.duration_since(now).try_into().unwrap_or(Duration::ZERO)))
    }

    async fn due(&self, after: Option<(Timestamp, String)>, limit: u32) -> Result<DueSchedules> {
        let (state, now) = self.0.open()?;
        let place = |saved: &SavedSchedule| saved.next_at.map(|next| (next, saved.schedule.name.clone()));
        let is_due = |saved: &&SavedSchedule| {
            saved.paused_at.is_none() && saved.next_at.is_some_and(|next| next <= now) && place(saved) > after
        };
        let mut schedules: Vec<SavedSchedule> = state.schedules.all().filter(is_due).cloned().collect();
        schedules.sort_by_cached_key(place);
        schedules.truncate(limit as usize);
        let next = schedules.last().filter(|_| schedules.len() == limit as usize).and_then(place);
        Ok(DueSchedules { now, schedules, unreadable: Vec::new(), next })
    }

    async fn tick(&self, batch: &[PlannedTicks]) -> Result<Vec<Tick>> {
        for task in batch.iter().flat_map(|planned| &planned.ticks).filter_map(|tick| tick.task.as_ref()) {
            task.check(&self.0.object.limits)?;
        }
        let (mut state, now) = self.0.open()?;
        let State { tasks, schedules, keys, .. } = &mut *state;
        let ticks = batch.iter().flat_map(|planned| schedules.tick(planned, tasks, keys, now)).collect();
        self.0.store.notifier.notify();
        Ok(ticks)
    }

    async fn declare(&self, worker: WorkerId, app: &str, schedules: Vec<Schedule>) -> Result<()> {
        check_name("application name", app)?;
        self.checked(&schedules)?;
        let (mut state, now) = self.0.open()?;
        let State { workers, schedules: known, .. } = &mut *state;
        if !workers.is_alive(worker) {
            return Err(Error::claim_lost(format!("worker {worker} is not registered any more")));
        }
        let names = schedules.iter().map(|schedule| schedule.name.clone()).collect();
        known.save(Some(app), schedules, now)?;
        known.declare(worker, app, names);
        known.remove_undeclared(|worker| workers.is_alive(worker));
        Ok(())
    }

    async fn remove_undeclared(&self) -> Result<u64> {
        let (mut state, _) = self.0.open()?;
        let State { workers, schedules, .. } = &mut *state;
        Ok(schedules.remove_undeclared(|worker| workers.is_alive(worker)))
    }
}
