//! Tasks by filter: list, count and purge.
//!
//! Lists are in the order of ids. The id ranges of rows overlap: a task that was singled out has an id within the range of the row that it
//! came from. So the rows are read first, without payloads, and then the tasks by their ids. `docs/decisions/0007-list-by-id.md`.

use std::collections::HashSet;
use std::sync::Arc;

use omniq_core::{Result, Task, TaskFilter, TaskId, TaskState};
use uuid::Uuid;

use super::{by_id, counts};
use crate::db::Db;
use crate::segments::decode::state;
use crate::segments::{SegmentRow, base_id};
use crate::sql::{Columns, Named};

/// The filter of `task_filter.sql`: queue, state, whether running, function. `None`: no task can be in that state.
type FilterParams<'a> = Option<(&'a Option<String>, Option<i16>, Option<bool>, &'a Option<String>)>;

fn filter_params(filter: &TaskFilter) -> FilterParams<'_> {
    let (state, running) = match filter.state {
        None => (None, None),
        Some(TaskState::Scheduled) => (Some(state::SCHEDULED), None),
        Some(TaskState::Ready) => (Some(state::READY), Some(false)),
        Some(TaskState::Running) => (Some(state::READY), Some(true)),
        Some(TaskState::Dead) => (Some(state::DEAD), None),
        Some(TaskState::Completed) => (Some(state::COMPLETED), None),
        Some(_) => return None,
    };
    Some((&filter.queue, state, running, &filter.func))
}

pub(super) async fn count(db: &Arc<Db>, filter: &TaskFilter) -> Result<u64> {
    let Some((name, state, running, func)) = filter_params(filter) else { return Ok(0) };
    match func {
        None => {
            let row =
                db.one(&db.sql.count, &[("queue", name), ("state", &state), ("running", &running)]).await?;
            Columns::new(&row).take::<i64>().map(i64::cast_unsigned)
        }
        Some(_) => {
            db.search_count(
                &db.sql.count_of_func,
                &[("queue", name), ("state", &state), ("running", &running), ("func", func)],
            )
            .await
        }
    }
}

pub(super) async fn purge(db: &Arc<Db>, filter: &TaskFilter) -> Result<u64> {
    let Some((name, state, running, func)) = filter_params(filter) else { return Ok(0) };
    let params: [Named<'_>; 4] = [("queue", name), ("state", &state), ("running", &running), ("func", func)];
    let purged = db.until_none_left(&db.sql.purge, &db.sql.purge_left, &params).await;
    counts::changed(db);
    purged
}

/// A page. A short page is the last one, so a page is filled up where tasks have changed between the two reads.
pub(super) async fn list(db: &Arc<Db>, filter: &TaskFilter) -> Result<Vec<Task>> {
    let (mut found, mut filter) = (Vec::new(), filter.clone());
    let all = filter.page_size() as usize;
    while found.len() < all {
        let wanted = all - found.len();
        let ids = ids(db, &filter, wanted).await?;
        let Some(last) = ids.last().copied() else { break };
        let mut tasks = by_id::get(db, &ids).await?;
        // A task that has changed in between may not match any more.
        tasks.retain(|task| {
            filter.state.is_none_or(|state| task.state == state)
                && filter.queue.as_ref().is_none_or(|queue| task.queue == *queue)
        });
        tasks.sort_unstable_by_key(|task| task.id);
        found.append(&mut tasks);
        if ids.len() < wanted {
            break;
        }
        filter.after = Some(last);
    }
    Ok(found)
}

/// The first ids after the filter's `after`, in order. Fewer than wanted: there are no more.
async fn ids(db: &Arc<Db>, filter: &TaskFilter, wanted: usize) -> Result<Vec<TaskId>> {
    let Some((name, state, running, func)) = filter_params(filter) else { return Ok(Vec::new()) };
    let rows_at_once = i64::try_from(wanted).unwrap_or(i64::MAX).max(50);
    // The row of the task before may hold more.
    let mut last: (Option<Uuid>, i32) = (filter.after.map(|id| base_id(id.as_uuid())), 0);
    let mut ids: Vec<TaskId> = Vec::new();
    loop {
        let rows = db
            .search(
                &db.sql.list,
                &[
                    ("queue", name),
                    ("state", &state),
                    ("running", &running),
                    ("func", func),
                    ("after_id", &last.0),
                    ("after_count", &last.1),
                    ("limit", &rows_at_once),
                ],
            )
            .await?;
        for row in &rows {
            let row = SegmentRow::read(&mut Columns::new(row))?;
            ids.extend(
                row.tasks().map(|(_, id)| id).filter(|id| filter.after.is_none_or(|after| *id > after)),
            );
            last = (Some(row.id), row.count);
        }
        // A row that was not read yet begins no earlier than the last one that was read.
        let sure = |id: &TaskId| Some(id.as_uuid()) < last.0;
        let is_all = (rows.len() as i64) < rows_at_once;
        if is_all || ids.iter().filter(|id| sure(id)).collect::<HashSet<_>>().len() >= wanted {
            ids.sort_unstable();
            // A task that was singled out between two reads stands in both rows.
            ids.dedup();
            ids.truncate(wanted);
            return Ok(ids);
        }
    }
}
