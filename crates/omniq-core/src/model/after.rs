//! Dependencies: tasks that run after others have ended.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{NewTask, Payload, ResultStatus, Task, TaskId, TaskResult};
use crate::{Error, Result};

/// The most tasks that one task can wait for.
pub const MAX_AFTER: usize = 100_000;

/// What becomes of a task if one that it waits for does not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IfFailed {
    /// It shares the fate: after a dead letter it becomes a dead letter, with an error of the type [`PREDECESSOR_FAILED`] that names the other one;
    /// after one that was cancelled, has expired, was discarded or deleted, it is cancelled.
    #[default]
    End,
    /// It runs after any end.
    Run,
}

impl IfFailed {
    /// The name, as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Run => "run",
        }
    }
}

impl FromStr for IfFailed {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "end" => Ok(Self::End),
            "run" => Ok(Self::Run),
            _ => Err(Error::invalid(format!("if_failed = {name:?} is unknown: use end or run"))),
        }
    }
}

/// The type of the error of a task that became a dead letter because one that it waited for did.
pub const PREDECESSOR_FAILED: &str = "predecessor_failed";

/// The tasks that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct After {
    /// Their ids, at most [`MAX_AFTER`], each once. Shared, because many tasks may wait for the same ones.
    pub tasks: Arc<[TaskId]>,
    /// What becomes of it if one of them does not complete.
    pub if_failed: IfFailed,
}

impl After {
    /// After these tasks. One that is named twice counts once.
    pub fn new(tasks: impl IntoIterator<Item = TaskId>) -> Self {
        let mut seen = HashSet::new();
        let tasks = tasks.into_iter().filter(|id| seen.insert(*id)).collect();
        Self { tasks, if_failed: IfFailed::default() }
    }

    /// Sets what becomes of the task if one of them does not complete.
    #[must_use]
    pub fn if_failed(mut self, if_failed: IfFailed) -> Self {
        self.if_failed = if_failed;
        self
    }

    /// Error `is_invalid` for none, or more than [`MAX_AFTER`].
    pub(super) fn check(&self) -> Result<()> {
        match self.tasks.len() {
            0 => Err(Error::invalid(
                "a task is to run after no other: name at least one, or leave `after` out",
            )),
            1..=MAX_AFTER => Ok(()),
            count => Err(Error::invalid(format!(
                "a task is to run after {count} others: at most {MAX_AFTER} are allowed; put a task between them"
            ))),
        }
    }
}

/// A blocked task that has to end, because one that it waits for has ended otherwise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Broken {
    /// The task.
    pub task: Task,
    /// The one that has not completed.
    pub by: TaskId,
    /// Whether that one is a dead letter; else it has gone.
    pub is_dead: bool,
}

impl Broken {
    /// A task that has to end because of this one.
    pub const fn new(task: Task, by: TaskId, is_dead: bool) -> Self {
        Self { task, by, is_dead }
    }
}

/// A task that another one runs after.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Predecessor {
    /// Its id.
    pub task_id: TaskId,
    /// Its result, if one is kept (still).
    pub result: Option<TaskResult>,
}

impl Predecessor {
    /// A task with its result.
    pub const fn new(task_id: TaskId, result: Option<TaskResult>) -> Self {
        Self { task_id, result }
    }

    /// The value that it has returned. Errors: `is_not_found` if no result is kept, because results are off or it is over; `is_conflict` if the task
    /// has not completed; `is_codec` if the value is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T> {
        let Self { task_id, result } = self;
        match result {
            None => Err(Error::not_found(format!(
                "no result of task {task_id}, which this one runs after, is kept: keep results for longer, by result_ttl"
            ))),
            Some(result) if result.status != ResultStatus::Completed => Err(Error::conflict(format!(
                "task {task_id}, which this one runs after, has the status {} and no value",
                result.status
            ))),
            Some(result) => result.value.as_ref().map_or_else(
                || {
                    Err(Error::not_found(format!(
                        "task {task_id}, which this one runs after, has left no value"
                    )))
                },
                Payload::decode,
            ),
        }
    }
}

/// The tasks that another one runs after, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predecessors(pub Vec<Predecessor>);

impl Predecessors {
    /// The values that they have returned, in this order. Errors as of [`Predecessor::value`].
    pub fn values<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.iter().map(Predecessor::value).collect()
    }
}

impl Deref for Predecessors {
    type Target = [Predecessor];

    fn deref(&self) -> &[Predecessor] {
        &self.0
    }
}

/// Checks the dependencies of tasks that are enqueued in one call, and says whether there are any. Errors `is_invalid`: a circle, which is named, and
/// tasks of which some are unique.
pub fn check_after(tasks: &[NewTask]) -> Result<bool> {
    if tasks.iter().all(|task| task.after.is_none()) {
        return Ok(false);
    }
    if let Some(task) = tasks.iter().find(|task| task.unique.is_some()) {
        return Err(Error::invalid(format!(
            "a task for {:?} is unique, in a call with tasks that run after others: enqueue it by a call of its own without `after`, \
             because another task may be there in its place",
            task.func
        )));
    }
    let places: HashMap<TaskId, usize> =
        tasks.iter().enumerate().filter_map(|(place, task)| Some((task.id?, place))).collect();
    // A list that many tasks share is walked once: it is a place of its own, behind those of the tasks.
    let (mut lists, mut list_of): (Vec<&After>, HashMap<&After, usize>) = (Vec::new(), HashMap::new());
    let mut before: Vec<Option<usize>> = Vec::with_capacity(tasks.len());
    for task in tasks {
        before.push(task.after.as_ref().map(|after| {
            *list_of.entry(after).or_insert_with(|| {
                lists.push(after);
                tasks.len() + lists.len() - 1
            })
        }));
    }
    let next = |place: usize| -> Box<dyn Iterator<Item = usize> + '_> {
        match place.checked_sub(tasks.len()) {
            None => Box::new(before[place].into_iter()),
            Some(list) => Box::new(lists[list].tasks.iter().filter_map(|id| places.get(id).copied())),
        }
    };
    // Depth first, without recursion: the path holds each place with what is left of those before it.
    let count = tasks.len() + lists.len();
    let (mut is_seen, mut is_on_path) = (vec![false; count], vec![false; count]);
    for start in 0..tasks.len() {
        if std::mem::replace(&mut is_seen[start], true) {
            continue;
        }
        is_on_path[start] = true;
        let mut path = vec![(start, next(start))];
        while let Some((place, left)) = path.last_mut() {
            let Some(found) = left.next() else {
                is_on_path[*place] = false;
                path.pop();
                continue;
            };
            if is_on_path[found] {
                let circle = path.iter().map(|(place, _)| *place).skip_while(|place| *place != found);
                return Err(self::circle(tasks, circle.filter(|place| *place < tasks.len()).collect()));
            }
            if !std::mem::replace(&mut is_seen[found], true) {
                is_on_path[found] = true;
                path.push((found, next(found)));
            }
        }
    }
    Ok(true)
}

/// The most tasks of a circle that its error names.
const NAMED: usize = 10;

fn circle(tasks: &[NewTask], circle: Vec<usize>) -> Error {
    let name = |place: &usize| match tasks[*place].id {
        Some(id) => format!("{} ({id})", tasks[*place].func),
        None => tasks[*place].func.clone(),
    };
    let mut names: Vec<String> = circle.iter().take(NAMED).map(name).collect();
    if circle.len() > NAMED {
        names.push(format!("{} more", circle.len() - NAMED));
    }
    names.extend(circle.first().map(name));
    Error::invalid(format!(
        "tasks wait for each other in a circle, and none would ever run: {}",
        names.join(" after ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: usize) -> Vec<NewTask> {
        let mut tasks: Vec<NewTask> =
            (0..count).map(|number| NewTask::new(format!("f{number}"), &()).unwrap()).collect();
        for place in 1..count {
            let before = tasks[place - 1].own_id();
            tasks[place] = tasks[place].clone().after([before]);
        }
        tasks
    }

    #[test]
    fn a_circle_is_refused_and_named_and_a_long_chain_is_not() {
        assert!(!check_after(&[NewTask::new("f", &()).unwrap()]).unwrap());
        assert!(check_after(&chain(100_000)).unwrap());
        let mut tasks = chain(5);
        tasks.reverse();
        assert!(check_after(&tasks).unwrap(), "the order of the call does not matter");
        let last = tasks[0].own_id();
        tasks[3] = tasks[3].clone().after([last]);
        let error = check_after(&tasks).unwrap_err();
        assert!(error.is_invalid());
        let text = error.to_string();
        let funcs: Vec<&str> =
            text.split(" after ").map(|part| part.split(' ').next_back().unwrap()).collect();
        assert_eq!(funcs.len(), 5, "{text}");
        assert!(
            ["f1", "f2", "f3", "f4"].iter().all(|func| text.contains(func)) && !text.contains("f0 ("),
            "{text}"
        );
        let mut own = NewTask::new("f", &()).unwrap();
        let id = own.own_id();
        let error = check_after(&[own.after([id])]).unwrap_err().to_string();
        assert!(error.contains(&format!("f ({id}) after f ({id})")), "{error}");
    }
}
