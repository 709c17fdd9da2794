//! Reads rows column by column, and collects the columns that cannot be read.

use omniq_core::{Error, Result, TaskError};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::jsonb::Jsonb;
use super::time::Time;

/// Reads the columns of one row from left to right.
pub(crate) struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(row: &'a Row) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql<'a>>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| {
            Error::internal(format!("column {index} of a row cannot be read: {error}")).with_source(error)
        })
    }

    pub(crate) fn time(&mut self) -> Result<Option<jiff::Timestamp>> {
        Ok(self.take::<Option<Time>>()?.map(|time| time.0))
    }
}

/// The count that a statement returns.
pub(crate) fn count_of(rows: &[Row]) -> Result<u64> {
    rows.first().map_or(Ok(0), |row| Columns::new(row).take::<i64>().map(i64::cast_unsigned))
}

/// The columns of a row that cannot be read, by name. They are collected so that the rest of the row, and other rows, can still be read.
#[derive(Default)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    /// The value. `None` adds a fault.
    pub(crate) fn of<T>(&mut self, column: &str, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.0.push(format!("column {column}: {}", error.message()))).ok()
    }

    pub(crate) fn check(&mut self, column: &str, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(format!("column {column}: {}", words()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }
}

/// A stored error. If it cannot be read, an error that says so.
pub(crate) fn stored_error(error: Option<Jsonb<'_>>) -> Option<TaskError> {
    let read = |error: Jsonb<'_>| error.value();
    error
        .map(|error| read(error).unwrap_or_else(|why| TaskError::unreadable(&format!("column error: {why}"))))
}

/// Counters begin at 0. A lesser value, which only other programs write, is read as 0.
pub(crate) fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
