//! What tasks are enqueued after.

use std::collections::{HashMap, HashSet};

use super::tasks::Tasks;
use crate::model::*;
use crate::{Error, Result};

/// Error `is_not_found` unless each task that these are to run after is one of them, is there, or has ended.
pub(super) fn check_predecessors(new: &[NewTask], ids: &[TaskId], tasks: &Tasks) -> Result<()> {
    if !check_after(new)? {
        return Ok(());
    }
    let of_call: HashSet<&TaskId> = ids.iter().collect();
    let is_known = |id: &TaskId| of_call.contains(id) || tasks.contains(*id) || tasks.graph.has_ended(*id);
    match new.iter().flat_map(|task| &task.after).flat_map(|after| &*after.tasks).find(|id| !is_known(id)) {
        Some(id) => Err(Error::no_predecessor(id)),
        None => Ok(()),
    }
}

/// What these tasks wait for. Those with the same predecessors wait together.
pub(super) fn waits(new: &[NewTask], ids: &[TaskId]) -> Vec<(After, Vec<TaskId>)> {
    let mut waits: HashMap<&After, Vec<TaskId>> = HashMap::new();
    for (task, id) in new.iter().zip(ids) {
        if let Some(after) = &task.after {
            waits.entry(after).or_default().push(*id);
        }
    }
    waits.into_iter().map(|(after, dependents)| (after.clone(), dependents)).collect()
}
