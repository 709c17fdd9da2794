//! Tasks by filter: list, count, purge, and the verbs that change all that it selects, page by page.
//!
//! Lists are in the order of ids. The id ranges of rows overlap: a task that was singled out has an id within the range of the row that it
//! came from. So the rows are read first, without payloads, and then the tasks by their ids. `docs/decisions/0007-list-by-id.md`.

use std::collections::HashSet;
use std::sync::Arc;

use omniq_core::{Error, Result, Task, TaskFilter, TaskId, TaskState, error_type, in_part};
use uuid::Uuid;

use super::{by_id, counts};
use crate::db::Db;
use crate::segments::decode::state;
use crate::segments::{SegmentRow, base_id};
use crate::sql::time::{Time, first_at};
use crate::sql::{Columns, Named, Statement};

/// The filter of `task_filter.sql`, in the database's types.
struct Filter<'a> {
    queue: &'a Option<String>,
    state: Option<i16>,
    running: Option<bool>,
    func: &'a Option<String>,
    error: Option<&'a str>,
    error_start: Option<&'a str>,
    since: Option<Time>,
    until: Option<Time>,
    max_seq: Option<i64>,
}

impl<'a> Filter<'a> {
    /// `None`: no task can be in that state.
    fn new(filter: &'a TaskFilter) -> Option<Self> {
        let (state, running) = match filter.state {
            None => (None, None),
            Some(TaskState::Blocked) => (Some(state::BLOCKED), None),
            Some(TaskState::Scheduled) => (Some(state::SCHEDULED), None),
            Some(TaskState::Ready) => (Some(state::READY), Some(false)),
            Some(TaskState::Running) => (Some(state::READY), Some(true)),
            Some(TaskState::Dead) => (Some(state::DEAD), None),
            Some(TaskState::Completed) => (Some(state::COMPLETED), None),
            Some(_) => return None,
        };
        let (error, error_start) = error_type(filter.error.as_ref());
        let (since, until) = (first_at(filter.since), first_at(filter.until));
        let TaskFilter { queue, func, max_seq, .. } = filter;
        Some(Self { queue, state, running, func, error, error_start, since, until, max_seq: *max_seq })
    }

    fn params(&self) -> [Named<'_>; 9] {
        [
            ("queue", self.queue),
            ("state", &self.state),
            ("running", &self.running),
            ("func", self.func),
            ("error", &self.error),
            ("error_start", &self.error_start),
            ("since", &self.since),
            ("until", &self.until),
            ("max_seq", &self.max_seq),
        ]
    }

    /// Whether the counts that are kept say how many tasks it selects.
    fn is_counted(&self) -> bool {
        let are_times_open = self.since.is_none() && self.until.is_none() && self.max_seq.is_none();
        self.func.is_none() && self.error.is_none() && self.error_start.is_none() && are_times_open
    }
}

pub(super) async fn count(db: &Arc<Db>, filter: &TaskFilter) -> Result<u64> {
    let Some(filter) = Filter::new(filter) else { return Ok(0) };
    if filter.is_counted() {
        let row = db.one(&db.sql.count, &filter.params()[..3]).await?;
        return Columns::new(&row).take::<i64>().map(i64::cast_unsigned);
    }
    db.search_count(&db.sql.count_scanned, &filter.params()).await
}

pub(super) async fn purge(db: &Arc<Db>, filter: &TaskFilter) -> Result<u64> {
    let Some(filter) = Filter::new(filter) else { return Ok(0) };
    let purged = db.until_none_left(&db.sql.purge, &db.sql.purge_left, &filter.params()).await;
    counts::changed(db);
    purged
}

/// How many rows one transaction of a verb by filter changes at most, so that it holds no lock for long. (A row holds many tasks if they were
/// enqueued together.)
const PAGE: i64 = 1_000;

pub(super) async fn last_seq(db: &Db) -> Result<i64> {
    Columns::new(&db.one(&db.sql.last_seq, &[]).await?).take()
}

/// Executes a statement page by page until it has seen all rows that the filters select, of the tasks that are there when it begins. Sums the
/// tasks that it has changed; `done` says how.
pub(super) async fn in_pages(
    db: &Arc<Db>,
    statement: &Statement,
    filters: &[TaskFilter],
    done: &str,
) -> Result<u64> {
    let (mut count, last) = (0, Some(last_seq(db).await?));
    for filter in filters {
        count += of_one_filter(db, statement, &filter.up_to(last), done, count).await?;
    }
    Ok(count)
}

/// `before`: what the filters before this one have changed.
async fn of_one_filter(
    db: &Arc<Db>,
    statement: &Statement,
    filter: &TaskFilter,
    done: &str,
    before: u64,
) -> Result<u64> {
    let Some(filter) = Filter::new(filter) else { return Ok(0) };
    let (mut count, mut last): (u64, (Option<Uuid>, Option<i32>)) = (0, (None, None));
    loop {
        let page: [Named<'_>; 3] = [("after_id", &last.0), ("after_count", &last.1), ("limit", &PAGE)];
        let params = [&filter.params()[..], &page[..]].concat();
        let rows = db.search_giving_way(statement, &params).await;
        let rows = rows.map_err(|error| in_part(before + count, done, error))?;
        counts::changed(db);
        let row = rows.first().ok_or_else(|| Error::internal("a verb by filter gave no answer"))?;
        let mut columns = Columns::new(row);
        count += columns.take::<i64>()?.cast_unsigned();
        let seen: i64 = columns.take()?;
        last = (columns.take()?, columns.take()?);
        if seen < PAGE {
            return Ok(count);
        }
    }
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
        tasks.retain(|task| filter.selects(task));
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
    let Some(stated) = Filter::new(filter) else { return Ok(Vec::new()) };
    let rows_at_once = i64::try_from(wanted).unwrap_or(i64::MAX).max(50);
    // The row of the task before may hold more.
    let mut last: (Option<Uuid>, i32) = (filter.after.map(|id| base_id(id.as_uuid())), 0);
    let mut ids: Vec<TaskId> = Vec::new();
    loop {
        let page: [Named<'_>; 3] =
            [("after_id", &last.0), ("after_count", &last.1), ("limit", &rows_at_once)];
        let rows = db.search(&db.sql.list, &[&stated.params()[..], &page[..]].concat()).await?;
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
