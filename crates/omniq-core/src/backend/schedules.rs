//! Schedules beside results and events: those of a worker's code, the latest result of one, and the events of what ticks enqueue.

use std::collections::HashMap;

use super::{Backend, record};
use crate::Result;
use crate::model::*;

/// How many ticks are looked at for a result.
const LOOKED_AT: u32 = 100;

impl Backend {
    /// Declares the schedules of a worker's code, whose tasks get the callbacks of this backend.
    pub(crate) async fn declare(&self, worker: WorkerId, app: &str, schedules: &[Schedule]) -> Result<()> {
        let Some(storage) = self.schedules() else { return Ok(()) };
        let mut schedules = schedules.to_vec();
        for schedule in &mut schedules {
            self.add_callbacks(std::slice::from_mut(&mut schedule.task));
        }
        storage.declare(worker, app, schedules).await
    }

    /// Declares these schedules as a worker of the application would that lives for this call; for tests of applications, which
    /// have no worker yet.
    #[doc(hidden)]
    pub async fn declare_schedules(&self, app: &str, schedules: &[Schedule]) -> Result<()> {
        self.require_schedules()?;
        let worker = self.queue.register_worker(&WorkerInfo::new(["default"])).await?;
        let declared = self.declare(worker, app, schedules).await;
        self.queue.deregister_worker(worker).await?;
        declared
    }

    pub(super) async fn latest_of_schedule(&self, schedule: &str) -> Result<Option<TaskResult>> {
        self.require_results()?;
        let ticks = self.require_schedules()?.history(schedule, LOOKED_AT).await?;
        let ids: Vec<TaskId> = ticks.into_iter().filter_map(|tick| tick.task_id).collect();
        let mut results = self.latest_results(&ids).await?;
        results.sort_by_key(|result| ids.iter().position(|id| *id == result.task_id));
        Ok(results.into_iter().next())
    }

    /// Logs the events of tasks that ticks have enqueued, unless the queue does.
    pub(crate) async fn log_ticks(&self, planned: &[PlannedTicks], ticks: &[Tick]) {
        if self.events().is_none() || self.enqueues_are_logged() {
            return;
        }
        let tasks = planned.iter().flat_map(|planned| &planned.ticks).filter_map(|tick| tick.task.as_ref());
        let tasks: HashMap<TaskId, &NewTask> = tasks.filter_map(|task| Some((task.id?, task))).collect();
        let enqueued = ticks.iter().filter_map(|tick| tick.task_id);
        let events = enqueued.filter_map(|id| Some((id, tasks.get(&id)?)));
        let events = events.map(|(id, task)| TaskEvent { task_id: Some(id), ..record::enqueued(task) });
        self.log_events(events.collect()).await;
    }
}
