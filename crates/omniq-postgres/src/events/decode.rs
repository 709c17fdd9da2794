//! Decodes rows of events.

use omniq_core::{EventKind, Result, TaskEvent, TaskId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::sql::jsonb::Jsonb;
use crate::sql::time::Time;
use crate::sql::{Columns, Faults, unsigned};

/// Reads `event_columns.sql`. A column that cannot be read does not fail the call: the entry `unreadable` of the event's data names it.
pub(crate) fn event(row: &Row) -> Result<TaskEvent> {
    let mut columns = Columns::new(row);
    let mut faults = Faults::default();
    let id = columns.take()?;
    let at = columns.take::<Time>()?.0;
    let kind: &str = columns.take()?;
    let kind = faults.of("kind", kind.parse()).unwrap_or_else(|| EventKind::Custom(kind.to_owned()));
    let mut event = TaskEvent::new(kind);
    event.id = id;
    event.at = at;
    event.task_id = columns.take::<Option<Uuid>>()?.map(TaskId::from);
    event.queue = columns.take()?;
    event.func = columns.take()?;
    event.worker = columns.take()?;
    event.attempt = columns.take::<Option<i32>>()?.map(unsigned);
    let data: Option<Jsonb<'_>> = columns.take()?;
    event.data = data.and_then(|data| faults.of("data", data.object())).unwrap_or_default();
    if let Some(what) = faults.text() {
        event = event.with("unreadable", what);
    }
    Ok(event)
}
