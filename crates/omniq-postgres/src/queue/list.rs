//! Tasks by filter, in the order of their ids. Rows overlap: what was taken out of a run stands behind what is left of it,
//! though its ids are among those. So rows are looked through first, without arguments, and tasks got by their ids then.

use std::collections::HashSet;

use omniq_core::{Result, Task, TaskFilter, TaskId};
use uuid::Uuid;

use super::{AsyncPostgresQueue, filter_params, uuids};
use crate::rows::{self, Columns, RowOf};
use crate::runs::base_of;

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
