//! Tasks by filter: list, count and purge.
//!
//! Lists stand in the order of ids. Rows overlap: what was taken out of a run stands behind what is left of it, though its ids are
//! among those. So rows are looked through first, without arguments, and tasks got by their ids then.

use std::collections::HashSet;

use omniq_core::{Result, Task, TaskFilter, TaskId, TaskState};
use uuid::Uuid;

use super::{AsyncPostgresQueue, fold, uuids};
use crate::db::Param;
use crate::rows::{self, Columns, RowOf, state};
use crate::runs::base_of;

/// The filter of `task_filter.sql`: queue, state, whether held, function. `None`: no task can be in that state.
type FilterParams<'a> = Option<(&'a Option<String>, Option<i16>, Option<bool>, &'a Option<String>)>;

fn filter_params(filter: &TaskFilter) -> FilterParams<'_> {
    let (state, held) = match filter.state {
        None => (None, None),
        Some(TaskState::Scheduled) => (Some(state::SCHEDULED), None),
        Some(TaskState::Ready) => (Some(state::READY), Some(false)),
        Some(TaskState::Running) => (Some(state::READY), Some(true)),
        Some(TaskState::Dead) => (Some(state::DEAD), None),
        Some(TaskState::Completed) => (Some(state::COMPLETED), None),
        Some(_) => return None,
    };
    Some((&filter.queue, state, held, &filter.func))
}

pub(super) async fn count(queue: &AsyncPostgresQueue, filter: &TaskFilter) -> Result<u64> {
    let Some((name, state, held, func)) = filter_params(filter) else { return Ok(0) };
    let db = queue.db();
    match func {
        None => {
            let row = db.one(&db.sql.count, &[name, &state, &held]).await?;
            Columns::new(&row).take::<i64>().map(i64::cast_unsigned)
        }
        Some(_) => db.search_count(&db.sql.count_of_func, &[name, &state, &held, func]).await,
    }
}

pub(super) async fn purge(queue: &AsyncPostgresQueue, filter: &TaskFilter) -> Result<u64> {
    let Some((name, state, held, func)) = filter_params(filter) else { return Ok(0) };
    let db = queue.db();
    let params = [name as Param<'_>, &state, &held, func];
    let purged = db.until_none_left(&db.sql.purge, &db.sql.purge_left, &params).await;
    fold::changed(db);
    purged
}

/// A page that is short is the last one: so it is filled up where tasks have changed between the two looks.
pub(super) async fn list(queue: &AsyncPostgresQueue, filter: &TaskFilter) -> Result<Vec<Task>> {
    let db = queue.db();
    let (mut found, mut filter) = (Vec::new(), filter.clone());
    let all = filter.page_size() as usize;
    while found.len() < all {
        let wanted = all - found.len();
        let ids = ids(queue, &filter, wanted).await?;
        let Some(last) = ids.last().copied() else { break };
        let mut tasks = rows::tasks(&db.query(&db.sql.get, &[&uuids(&ids)]).await?)?;
        // What a task has become in between is not what was asked for.
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

/// The first ids behind the filter's `after`, in their order; fewer than wanted if there are no more.
async fn ids(queue: &AsyncPostgresQueue, filter: &TaskFilter, wanted: usize) -> Result<Vec<TaskId>> {
    let Some((name, state, held, func)) = filter_params(filter) else { return Ok(Vec::new()) };
    let db = queue.db();
    let rows_at_once = i64::try_from(wanted).unwrap_or(i64::MAX).max(50);
    // The run of the task before may have more.
    let mut behind: (Option<Uuid>, i32) = (filter.after.map(|id| base_of(id.as_uuid())), 0);
    let mut ids: Vec<TaskId> = Vec::new();
    loop {
        let rows = db
            .search(&db.sql.list, &[name, &state, &held, func, &behind.0, &behind.1, &rows_at_once])
            .await?;
        for row in &rows {
            let row = RowOf::read(&mut Columns::new(row))?;
            ids.extend(
                row.tasks().map(|(_, id)| id).filter(|id| filter.after.is_none_or(|after| *id > after)),
            );
            behind = (Some(row.id), row.count);
        }
        // A row that was not read yet begins no earlier than the last one that was.
        let sure = |id: &TaskId| Some(id.as_uuid()) < behind.0;
        let is_all = (rows.len() as i64) < rows_at_once;
        if is_all || ids.iter().filter(|id| sure(id)).collect::<HashSet<_>>().len() >= wanted {
            ids.sort_unstable();
            // One that was taken out of its row between two looks stands in both.
            ids.dedup();
            ids.truncate(wanted);
            return Ok(ids);
        }
    }
}
