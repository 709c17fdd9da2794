//! The schedules of a store, their ticks, and what workers declare.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::keys::Keys;
use super::tasks::Tasks;
use crate::model::*;
use crate::{Error, Result};

/// How many ticks of a schedule are kept.
const HISTORY: usize = 100;
/// How many of its last tasks are looked at to find out whether one has not ended.
const LOOKED_AT: usize = 20;

#[derive(Debug)]
struct Entry {
    saved: SavedSchedule,
    /// Latest first.
    ticks: VecDeque<Tick>,
}

/// All schedules of a store.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    entries: BTreeMap<String, Entry>,
    /// The application of each worker that has declared its schedules, and their names.
    declared: BTreeMap<WorkerId, (String, BTreeSet<String>)>,
}

impl Schedules {
    pub(super) fn get(&self, name: &str) -> Option<&SavedSchedule> {
        self.entries.get(name).map(|entry| &entry.saved)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &SavedSchedule> {
        self.entries.values().map(|entry| &entry.saved)
    }

    pub(super) fn history(&self, name: &str) -> impl Iterator<Item = &Tick> {
        self.entries.get(name).into_iter().flat_map(|entry| &entry.ticks)
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    pub(super) fn change(&mut self, name: &str) -> Result<&mut SavedSchedule> {
        let entry = self.entries.get_mut(name);
        entry.map(|entry| &mut entry.saved).ok_or_else(|| Error::no_schedule(name))
    }

    /// Saves schedules of this application's code, or (`None`) of run time; all or none.
    pub(super) fn save(
        &mut self,
        app: Option<&str>,
        schedules: Vec<Schedule>,
        now: Timestamp,
    ) -> Result<Vec<SavedSchedule>> {
        let made = schedules.into_iter().map(|schedule| match self.get(&schedule.name) {
            Some(saved) if saved.app.as_deref() != app => {
                Err(Error::schedule_of_another(&schedule.name, saved.app.as_deref(), app))
            }
            Some(saved) => saved.with_definition(schedule, now).map(|(saved, _)| saved),
            None => SavedSchedule::new(schedule, app.map(str::to_owned), now),
        });
        let made: Vec<SavedSchedule> = made.collect::<Result<_>>()?;
        for saved in &made {
            let entry = self.entries.entry(saved.schedule.name.clone());
            entry
                .and_modify(|entry| entry.saved = saved.clone())
                .or_insert_with(|| Entry { saved: saved.clone(), ticks: VecDeque::new() });
        }
        Ok(made)
    }

    pub(super) fn declare(&mut self, worker: WorkerId, app: &str, names: BTreeSet<String>) {
        self.declared.insert(worker, (app.to_owned(), names));
    }

    /// Removes what no live worker declares, of applications that have live workers. Returns how many.
    pub(super) fn remove_undeclared(&mut self, is_alive: impl Fn(WorkerId) -> bool) -> u64 {
        self.declared.retain(|worker, _| is_alive(*worker));
        let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (app, declared) in self.declared.values() {
            names.entry(app).or_default().extend(declared.iter().map(String::as_str));
        }
        let before = self.entries.len();
        self.entries.retain(|name, entry| {
            let declared = entry.saved.app.as_deref().and_then(|app| names.get(app));
            declared.is_none_or(|declared| declared.contains(name.as_str()))
        });
        (before - self.entries.len()) as u64
    }

    /// Carries out the ticks of a schedule, if it is as it was read.
    pub(super) fn tick(
        &mut self,
        planned: &PlannedTicks,
        tasks: &mut Tasks,
        keys: &mut Keys,
        now: Timestamp,
    ) -> Vec<Tick> {
        let Some(entry) = self.entries.get_mut(&planned.name) else { return Vec::new() };
        let saved = &mut entry.saved;
        let is_as_read = (saved.next_at, saved.version, saved.created_at)
            == (Some(planned.due), planned.version, planned.created_at);
        if !is_as_read || saved.paused_at.is_some() {
            return Vec::new();
        }
        let mut done = Vec::new();
        saved.next_at = planned.next_at;
        let has_run_enough =
            |saved: &SavedSchedule| saved.schedule.max_runs.is_some_and(|most| saved.runs >= most);
        for tick in &planned.ticks {
            if has_run_enough(saved) {
                break;
            }
            if entry.ticks.iter().any(|noted| noted.at == tick.at && !noted.manual) {
                continue;
            }
            let is_busy = !saved.schedule.overlap && runs(&entry.ticks, tasks);
            let enqueued = match &tick.task {
                None => Err("missed"),
                Some(_) if is_busy => Err("overlap"),
                Some(task) => match keys.enqueue(vec![task.clone()], tasks, now).as_deref() {
                    Ok([enqueued]) if !matches!(enqueued, Enqueued::Skipped(_)) => {
                        (saved.runs, saved.last_task) = (saved.runs + 1, Some(enqueued.id()));
                        Ok(enqueued.id())
                    }
                    _ => Err("unique"),
                },
            };
            saved.last_at = Some(tick.at);
            let tick = Tick::new(&planned.name, tick.at, false, enqueued);
            note(&mut entry.ticks, tick.clone());
            done.push(tick);
        }
        if has_run_enough(saved) {
            saved.next_at = None;
        }
        done
    }

    /// Notes a tick by hand.
    pub(super) fn triggered(&mut self, name: &str, at: Timestamp, task: TaskId) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.saved.last_task = Some(task);
            note(&mut entry.ticks, Tick::new(name, at, true, Ok(task)));
        }
    }
}

/// Whether one of the last tasks has not ended.
fn runs(ticks: &VecDeque<Tick>, tasks: &Tasks) -> bool {
    let last = ticks.iter().filter_map(|tick| tick.task_id).take(LOOKED_AT);
    let has_ended = |id: TaskId| {
        tasks.get(id).is_none_or(|entry| matches!(entry.task.state, TaskState::Dead | TaskState::Completed))
    };
    last.into_iter().any(|id| !has_ended(id))
}

fn note(ticks: &mut VecDeque<Tick>, tick: Tick) {
    ticks.push_front(tick);
    ticks.make_contiguous().sort_by_key(|tick| std::cmp::Reverse(tick.at));
    let (mut place, mut with_task) = (0, 0);
    ticks.retain(|tick| {
        place += 1;
        with_task += usize::from(tick.task_id.is_some());
        // The last tasks say whether one has not ended, whatever was skipped since.
        place <= HISTORY || (tick.task_id.is_some() && with_task <= LOOKED_AT)
    });
}
