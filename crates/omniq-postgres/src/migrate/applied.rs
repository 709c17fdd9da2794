//! What the table of migrations says about a database.

use omniq_core::{Error, Result};
use tokio_postgres::Row;

use super::effect::Effect;
use super::files::Part;
use crate::db::Db;
use crate::error::NO_COLUMN;
use crate::sql::schema::quote_identifier;

/// A row of the table of migrations.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    pub(super) part: String,
    pub(super) version: i32,
    pub(super) name: String,
    pub(super) checksum: String,
    pub(super) at: String,
    /// The name of the schema when it was made, which its functions use.
    pub(super) home: String,
    /// What it does to programs that do not know it.
    pub(super) effect: Effect,
    /// The release of OmniQ that applied it.
    pub(super) release: String,
}

impl Applied {
    pub(super) fn is_of(&self, part: Part) -> bool {
        self.part == part.name()
    }
}

/// All rows, the newest last of each part; none if there is no table.
pub(super) async fn applied(db: &Db) -> Result<Vec<Applied>> {
    let schema = &db.schema;
    let table = format!("{}.migrations", quote_identifier(schema.name()));
    let there = db.query(&db.sql.has_migrations, &[("table", &table)]).await?;
    if !there.first().is_some_and(|row| row.get(0)) {
        return Ok(Vec::new());
    }
    // Asked first, because a missing column is a kind of missing schema.
    match db.query(&db.sql.migrations, &[]).await.map_err(unreleased) {
        Ok(rows) => Ok(read(&rows)),
        // The schema was dropped in between.
        Err(error) if error.is_schema_missing() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn read(rows: &[Row]) -> Vec<Applied> {
    rows.iter()
        .map(|row| Applied {
            part: row.get(0),
            version: row.get(1),
            name: row.get(2),
            checksum: row.get(3),
            at: row.get(4),
            home: row.get(5),
            effect: Effect::stored(row.get(6), row.get(7)),
            release: row.get(8),
        })
        .collect()
}

/// Before the first release the table had fewer columns.
pub(super) fn unreleased(error: Error) -> Error {
    if error.sqlstate() != Some(NO_COLUMN) {
        return error;
    }
    Error::config(format!(
        "{error}: the schema was made by an unreleased version; drop the schema with all its data, or name another"
    ))
}

/// The row of this migration.
pub(super) fn find(applied: &[Applied], part: Part, version: i32) -> Option<&Applied> {
    applied.iter().find(|row| row.is_of(part) && row.version == version)
}

/// The version of a part: that of its newest migration; 0: it has none.
pub(super) fn version(applied: &[Applied], part: Part) -> i32 {
    applied.iter().filter(|row| row.is_of(part)).map(|row| row.version).max().unwrap_or(0)
}

/// The migration that decides which programs can use a part: that with the highest `usable_from`.
pub(super) fn decisive(applied: &[Applied], part: Part) -> Option<&Applied> {
    applied.iter().filter(|row| row.is_of(part)).max_by_key(|row| row.effect.usable_from())
}
