//! An enqueue that another driver carries out, such as one of another language, in a transaction that is none of ours.

use omniq_core::{NewTask, Place, Result, TaskId};

use crate::enqueue_batch::{EnqueueBatch, Piece, Rows};
use crate::schema::Schema;

const SQL: &str = include_str!("../sql/queries/enqueue_elsewhere.sql");
const HERE: &str = include_str!("../sql/queries/here.sql");

/// How many bytes of arguments it takes: drivers may write each as two digits, and PostgreSQL takes no message of more than 1 GiB.
const MOST: usize = 400_000_000;

/// One statement with an array for each of its parameters `$1` to `$13`, and texts for the last two. Carried out, it adds the tasks, all or
/// none, and answers with one row: the name of the database that the connection leads to, and how many tasks it has added. That is null
/// if the database is not the queue's: it has done nothing then.
#[derive(Debug)]
pub struct EnqueueElsewhere {
    /// The statement.
    pub sql: String,
    /// The tasks' ids, in the order in which the tasks were given.
    pub ids: Vec<TaskId>,
    rows: Rows,
    place: Place,
}

/// The arrays in the order of the parameters.
#[derive(Debug)]
#[allow(missing_docs, reason = "they are the parameters of the function enqueue_many of the schema")]
pub struct Columns<'a> {
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

impl EnqueueElsewhere {
    /// Checks the tasks and writes them down for the queue at this place. Errors: `is_invalid`; nothing has been sent then.
    pub fn new(place: Place, tasks: Vec<NewTask>) -> Result<Self> {
        for task in &tasks {
            task.check(&place.limits)?;
        }
        let sql = Schema::new(&place.schema)?.fill(SQL, &[("{here}", HERE)]);
        let batch = EnqueueBatch::rows_of_checked(&tasks, MOST)?;
        let rows = batch.pieces.into_iter().find_map(|piece| match piece {
            Piece::Rows(rows) => Some(rows),
            Piece::Run(_) => None,
        });
        Ok(Self { sql, ids: batch.ids, rows: rows.unwrap_or_default(), place })
    }

    /// The parameters.
    pub fn columns(&self) -> Columns<'_> {
        let rows = &self.rows;
        Columns {
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
            database: &self.place.database,
            server: &self.place.server,
        }
    }
}
