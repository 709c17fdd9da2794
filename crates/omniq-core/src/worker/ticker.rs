//! The ticks of schedules, which every worker carries out; there is no leader. The storage lets one of them win each tick.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::outage::{Outage, is_of_storage};
use crate::Result;
use crate::backend::Backend;
use crate::model::*;
use crate::port::ScheduleStorage;

/// The most schedules of one pass.
const MOST: u32 = 100;

/// The first pause when something that is due was left; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(5);
/// How many schedules that cannot be carried out here are remembered, so that each is told once.
const TOLD: usize = 10_000;

/// What a round has left.
enum Next {
    /// Nothing that is due. The next tick is in this time, if there is one.
    Tick(Option<Duration>),
    /// Something that is due: another worker is at it, a transaction has locked it, or it cannot be carried out here. The next tick beside
    /// it is in this time, if there is one.
    Left(Option<Duration>),
}

/// Runs until it is dropped, which may be at any time: a tick is carried out in one transaction. `interval`: how long at most until a
/// schedule that was saved meanwhile is seen.
pub(super) async fn run(backend: Backend, interval: Duration) {
    let Some(schedules) = backend.schedules() else { return };
    let mut ticker = Ticker { backend, schedules, told: HashSet::new() };
    let mut outage = Outage::new("the ticks of schedules");
    let mut pause = FIRST;
    loop {
        // The longest wait is random, so that workers that were started together do not look at the same time.
        let longest = interval.mul_f64(rand::random_range(0.75..1.25));
        let next = ticker.round(&mut Vec::new()).await;
        if next.is_ok() {
            outage.over();
        }
        let wait = match next {
            Ok(Next::Tick(wait)) => {
                pause = FIRST;
                wait.unwrap_or(longest)
            }
            Ok(Next::Left(wait)) => {
                let again = pause.mul_f64(rand::random_range(0.5..1.0));
                pause = (2 * pause).min(interval);
                wait.map_or(again, |wait| wait.min(again))
            }
            Err(error) => outage.failed(&error),
        };
        tokio::time::sleep(wait.min(longest)).await;
    }
}

impl Backend {
    /// Carries out the ticks that are due, as a worker does, and returns them with the time until the next one; for tests of applications, which
    /// set the clock forward.
    #[doc(hidden)]
    pub async fn tick_schedules(&self) -> Result<(Vec<Tick>, Option<Duration>)> {
        let Some(schedules) = self.schedules() else { return Ok((Vec::new(), None)) };
        let mut ticker = Ticker { backend: self.clone(), schedules, told: HashSet::new() };
        let mut ticks = Vec::new();
        loop {
            let before = ticks.len();
            match ticker.round(&mut ticks).await? {
                Next::Tick(Some(Duration::ZERO)) if ticks.len() > before => {}
                Next::Tick(wait) | Next::Left(wait) => return Ok((ticks, wait)),
            }
        }
    }
}

struct Ticker {
    backend: Backend,
    schedules: Arc<dyn ScheduleStorage>,
    /// The names of schedules that cannot be carried out here, with the reason.
    told: HashSet<(String, String)>,
}

impl Ticker {
    /// Carries out what is due at the moment, and adds it to `done`.
    async fn round(&mut self, done: &mut Vec<Tick>) -> Result<Next> {
        let next = self.schedules.next_tick(None).await?;
        if next != Some(Duration::ZERO) {
            return Ok(Next::Tick(next));
        }
        let (mut after, mut left, mut began) = (None, false, None);
        loop {
            let due = self.schedules.due(after, MOST).await?;
            // What becomes due meanwhile is of the next round, or a round of many that tick often would not end.
            let began = *began.get_or_insert(due.now);
            left |= !due.unreadable.is_empty();
            for (name, why) in due.unreadable {
                self.tell_unable(name, why);
            }
            let mut planned = Vec::with_capacity(due.schedules.len());
            for saved in &due.schedules {
                match saved.plan(due.now) {
                    Ok(plan) => planned.extend(plan),
                    Err(error) => {
                        left = true;
                        self.tell_unable(saved.schedule.name.clone(), error.to_string());
                    }
                }
                // A plan may take some milliseconds.
                tokio::task::yield_now().await;
            }
            for planned in chunks(&planned) {
                let ticks = self.carry_out(planned).await?;
                tell(&ticks);
                self.backend.log_ticks(planned, &ticks).await;
                let has_ticked =
                    |planned: &PlannedTicks| ticks.iter().any(|tick| tick.schedule == planned.name);
                left |= !planned.iter().all(has_ticked);
                done.extend(ticks);
            }
            match due.next.filter(|(at, _)| *at <= began) {
                Some(next) => after = Some(next),
                // What has become due meanwhile is carried out at once.
                None if left => return Ok(Next::Left(self.schedules.next_tick(Some(began)).await?)),
                None => return Ok(Next::Tick(Some(Duration::ZERO))),
            }
        }
    }

    /// Tells once that a schedule cannot be carried out here, such as one with a time zone that this program does not know.
    fn tell_unable(&mut self, name: String, why: String) {
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        if self.told.insert((name.clone(), why.clone())) {
            tracing::warn!(schedule = name, why, "a schedule is left to other workers");
        }
    }

    /// All at once. If that is refused, each by itself, so that a bad one holds up no other.
    async fn carry_out(&mut self, planned: &[PlannedTicks]) -> Result<Vec<Tick>> {
        match self.schedules.tick(planned).await {
            Ok(ticks) => return Ok(ticks),
            Err(error) if error.is_transient() || is_of_storage(&error) => return Err(error),
            Err(_) => {}
        }
        let mut ticks = Vec::new();
        for planned in planned {
            match self.schedules.tick(std::slice::from_ref(planned)).await {
                Ok(mut carried_out) => ticks.append(&mut carried_out),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => self.tell_unable(planned.name.clone(), error.to_string()),
            }
        }
        Ok(ticks)
    }
}

/// As many schedules as one call takes, at least one.
fn chunks(mut planned: &[PlannedTicks]) -> impl Iterator<Item = &[PlannedTicks]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |planned: &&PlannedTicks| {
            bytes += planned.bytes();
            bytes <= CALL_BYTES
        };
        let count = planned.iter().take_while(fits).count().max(1).min(planned.len());
        let (chunk, rest) = planned.split_at(count);
        planned = rest;
        Some(chunk).filter(|chunk| !chunk.is_empty())
    })
}

fn tell(ticks: &[Tick]) {
    for Tick { schedule, at, task_id, skipped, .. } in ticks {
        match (task_id, skipped) {
            (Some(task), _) => tracing::debug!(schedule, tick = %at, %task, "a schedule has enqueued a task"),
            (None, why) => {
                let why = why.as_deref().unwrap_or_default();
                tracing::info!(schedule, tick = %at, why, "a tick of a schedule was skipped");
            }
        }
    }
}
