//! Decodes rows of results.

use omniq_core::{Codec, Payload, Result, ResultStatus, TaskError, TaskId, TaskResult};
use tokio_postgres::Row;
use uuid::Uuid;

use super::kept_args;
use crate::sql::jsonb::Jsonb;
use crate::sql::time::Time;
use crate::sql::{Columns, Faults, stored_error, unsigned};

/// Reads `result_columns.sql`. A column that cannot be read does not fail the call: the result's error names it, and if it is the status or
/// the codec, the status is failed.
pub(crate) fn result(row: &Row) -> Result<TaskResult> {
    let mut columns = Columns::new(row);
    let mut faults = Faults::default();
    let id = TaskId::from(columns.take::<Uuid>()?);
    let status = faults.of("status", columns.take::<&str>()?.parse());
    let mut result = TaskResult::new(id, ResultStatus::Failed);
    let codec: Option<&str> = columns.take()?;
    let value: Option<&[u8]> = columns.take()?;
    if let (Some(codec), Some(value)) = (codec, value) {
        let codec = faults.of("codec", codec.parse::<Codec>());
        result.value = codec.map(|codec| Payload::new(codec, value.to_vec()));
    }
    if let (Some(status), true) = (status, faults.is_empty()) {
        result.status = status;
    }
    result.error = stored_error(columns.take()?);
    result.queue = columns.take()?;
    result.func = columns.take()?;
    result.worker = columns.take()?;
    result.attempt = unsigned(columns.take()?);
    let metadata: Option<Jsonb<'_>> = columns.take()?;
    result.metadata =
        metadata.and_then(|metadata| faults.of("metadata", metadata.object())).unwrap_or_default();
    result.args = kept_args::take(&mut result.metadata);
    result.enqueued_at = columns.time()?;
    result.started_at = columns.time()?;
    result.finished_at = columns.take::<Time>()?.0;
    result.expires_at = columns.time()?;
    if let Some(what) = faults.text() {
        tracing::error!(task = %id, what, "a result cannot be read");
        result.error = Some(TaskError::unreadable(&what));
    }
    Ok(result)
}
