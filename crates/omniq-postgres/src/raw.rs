//! An enqueue as SQL text and parameters, which another driver executes on the user's connection.

use omniq_core::{DatabaseId, NewTask, Result, TaskId};

use crate::segments::enqueue::{EnqueueBatch, Piece, Rows};
use crate::sizes::RAW_BYTES;
use crate::sql::Statement;
use crate::sql::schema::Schema;

const SQL: &str = include_str!("../sql/queries/enqueue/enqueue_raw.sql");

/// One statement with the parameters `$1` to `$13`, which are arrays, and `$14` and `$15`, which are texts. It adds the tasks, all or none,
/// and returns one row: the name of the database that the connection leads to, and the number of tasks that were added. That number is
/// null, and nothing was written, if the connection leads to another database than the queue's.
#[derive(Debug)]
pub struct RawEnqueue {
    /// The text of the statement.
    pub sql: String,
    /// The ids of the tasks, in the order in which the tasks were given.
    pub ids: Vec<TaskId>,
    rows: Rows,
    database: DatabaseId,
}

/// The parameters, in their order. All arrays have one element for each task.
#[derive(Debug)]
#[allow(missing_docs, reason = "they are the parameters of the function enqueue_many of the schema")]
pub struct RawParams<'a> {
    pub ids: Vec<String>,
    pub queues: &'a [String],
    pub funcs: &'a [String],
    pub codecs: &'a [String],
    pub payloads: Vec<&'a [u8]>,
    pub priorities: &'a [i16],
    pub max_retries: &'a [i32],
    pub run_ats: &'a [Option<String>],
    pub delays: &'a [Option<f64>],
    pub ttls: &'a [Option<f64>],
    pub options: &'a [Option<String>],
    pub metadata: &'a [Option<String>],
    pub chosen: &'a [bool],
    pub database: &'a str,
    pub server: &'a str,
}

impl RawEnqueue {
    /// Checks the tasks and builds the call for the queue in this database. Error `is_invalid` for a task that is not valid, or for more
    /// than 400,000,000 bytes of payloads together.
    pub fn new(database: DatabaseId, tasks: Vec<NewTask>) -> Result<Self> {
        for task in &tasks {
            task.check(&database.limits)?;
        }
        let sql = Statement::new(&Schema::new(&database.schema)?, "enqueue_raw", SQL, &[]).text;
        let batch = EnqueueBatch::rows_of_checked(&tasks, RAW_BYTES)?;
        let rows = batch.pieces.into_iter().find_map(|piece| match piece {
            Piece::Rows(rows) => Some(rows),
            Piece::Segment(_) => None,
        });
        Ok(Self { sql, ids: batch.ids, rows: rows.unwrap_or_default(), database })
    }

    /// The parameters of [`sql`](Self::sql), in their order.
    pub fn params(&self) -> RawParams<'_> {
        let rows = &self.rows;
        RawParams {
            ids: rows.ids.iter().map(ToString::to_string).collect(),
            queues: &rows.queues,
            funcs: &rows.funcs,
            codecs: &rows.codecs,
            payloads: rows.payloads(),
            priorities: &rows.priorities,
            max_retries: &rows.max_retries,
            run_ats: &rows.run_ats,
            delays: &rows.delays,
            ttls: &rows.ttls,
            options: &rows.options,
            metadata: &rows.metadata,
            chosen: &rows.chosen,
            database: &self.database.database,
            server: &self.database.server,
        }
    }
}
