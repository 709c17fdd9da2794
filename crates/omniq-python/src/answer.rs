//! The answers of the verbs, and their conversion to Python objects.

use std::time::Duration;

use omniq::port::{EndedTasks, Heartbeat, Lost, Settled};
use omniq::{
    CancelCounts, Cancelled, Enqueued, Predecessors, QueueStats, RegisteredWorker, SavedSchedule, Task,
    TaskEvent, TaskId, TaskResult, TaskState, Tick, WorkerId,
};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::convert::after::to_predecessors;
use crate::convert::event::to_event;
use crate::convert::options::Convert;
use crate::convert::result::to_result;
use crate::convert::schedule::{to_saved_schedule, to_tick};
use crate::convert::small::{list_of, to_cancel_counts, to_cancelled, to_settled, to_state, to_stats};
use crate::convert::task::to_task;
use crate::convert::time::to_timedelta;
use crate::convert::unique::to_enqueued;
use crate::convert::worker::to_registered_worker;
use crate::error::to_py;
use crate::transaction::Statement;

/// The answer of a verb, before its conversion: it needs no GIL.
pub(crate) enum Answer {
    None,
    Bool(bool),
    Count(u64),
    Id(TaskId),
    Ids(Vec<TaskId>),
    Enqueued(Vec<Enqueued>),
    Predecessors(Predecessors),
    Task(Option<Box<Task>>),
    Tasks(Vec<Task>),
    TasksOrNone(Vec<Option<Task>>),
    State(TaskState),
    States(Vec<TaskState>),
    Cancelled(Cancelled),
    CancelledMany(Vec<Cancelled>),
    CancelCounts(CancelCounts),
    Settled(Vec<Settled>),
    Queues(Vec<QueueStats>),
    Workers(Vec<RegisteredWorker>),
    Result(Option<Box<TaskResult>>),
    Results(Vec<TaskResult>),
    Ended(EndedTasks),
    ResultsOrNone(Vec<Option<TaskResult>>),
    Events(Vec<TaskEvent>),
    Schedule(Option<Box<SavedSchedule>>),
    Schedules(Vec<SavedSchedule>),
    Ticks(Vec<Tick>),
    /// The tasks that ticks have enqueued, and the time until the next tick.
    Ticked(Vec<TaskId>, Option<Duration>),
    Worker(WorkerId),
    Heartbeat(Heartbeat),
    Lost(Vec<Lost>),
    Name(&'static str),
    Text(String),
    Statement(Statement),
}

/// The answer of a verb that makes a statement.
pub(crate) fn statement(made: omniq::Result<impl Into<Statement>>) -> omniq::Result<Answer> {
    made.map(|made| Answer::Statement(made.into()))
}

impl Convert {
    pub(crate) fn run(self, py: Python<'_>, answer: Answer) -> PyResult<Py<PyAny>> {
        let task = |task: &Task| to_task(py, self, task);
        let result = |result: &TaskResult| to_result(py, self, result);
        match answer {
            Answer::None => Ok(py.None()),
            Answer::Bool(flag) => flag.into_py_any(py),
            Answer::Count(count) => count.into_py_any(py),
            Answer::Id(id) => id.as_uuid().into_py_any(py),
            Answer::Ids(ids) => PyList::new(py, ids.iter().map(TaskId::as_uuid))?.into_py_any(py),
            Answer::Enqueued(many) => list_of(py, many, |enqueued| to_enqueued(py, enqueued)),
            Answer::Predecessors(found) => to_predecessors(py, self, &found),
            Answer::Task(found) => found.map(|found| task(&found)).transpose()?.into_py_any(py),
            Answer::Tasks(tasks) => list_of(py, &tasks, task),
            Answer::TasksOrNone(tasks) => {
                list_of(py, &tasks, |found| found.as_ref().map(task).transpose()?.into_bound_py_any(py))
            }
            Answer::State(state) => to_state(py, state).map(Bound::unbind),
            Answer::States(states) => list_of(py, states, |state| to_state(py, state)),
            Answer::Cancelled(cancelled) => to_cancelled(py, cancelled).map(Bound::unbind),
            Answer::CancelledMany(many) => list_of(py, many, |cancelled| to_cancelled(py, cancelled)),
            Answer::CancelCounts(counts) => to_cancel_counts(py, counts).map(Bound::unbind),
            Answer::Settled(settled) => list_of(py, settled, |settled| to_settled(py, settled)),
            Answer::Queues(queues) => list_of(py, &queues, |stats| to_stats(py, stats)),
            Answer::Workers(workers) => list_of(py, &workers, |worker| to_registered_worker(py, worker)),
            Answer::Result(found) => found.map(|found| result(&found)).transpose()?.into_py_any(py),
            Answer::Results(results) => list_of(py, &results, result),
            Answer::Ended(EndedTasks { results, without }) => {
                let errors = PyDict::new(py);
                for (id, error) in without {
                    errors.set_item(id.as_uuid(), to_py(py, error).into_value(py))?;
                }
                (list_of(py, &results, result)?, errors).into_py_any(py)
            }
            Answer::ResultsOrNone(results) => {
                list_of(py, &results, |found| found.as_ref().map(result).transpose()?.into_bound_py_any(py))
            }
            Answer::Events(events) => list_of(py, &events, |event| to_event(py, event)),
            Answer::Schedule(found) => {
                found.map(|saved| to_saved_schedule(py, self, &saved)).transpose()?.into_py_any(py)
            }
            Answer::Schedules(saved) => list_of(py, &saved, |saved| to_saved_schedule(py, self, saved)),
            Answer::Ticks(ticks) => list_of(py, &ticks, |tick| to_tick(py, tick)),
            Answer::Ticked(ids, next) => {
                let ids = PyList::new(py, ids.iter().map(TaskId::as_uuid))?;
                (ids, next.map(|span| to_timedelta(py, span)).transpose()?).into_py_any(py)
            }
            Answer::Worker(worker) => worker.0.into_py_any(py),
            Answer::Heartbeat(beat) => {
                let asked = beat.cancelled.iter().map(|asked| (asked.task_id.as_uuid(), asked.seq));
                (beat.alive, asked.collect::<Vec<_>>()).into_py_any(py)
            }
            Answer::Name(name) => name.into_py_any(py),
            Answer::Text(text) => text.into_py_any(py),
            Answer::Statement(statement) => statement.to_py(py),
            Answer::Lost(lost) => list_of(py, &lost, |lost| {
                (task(&lost.task)?, lost.worker.as_str(), lost.cancelled).into_bound_py_any(py)
            }),
        }
    }
}
