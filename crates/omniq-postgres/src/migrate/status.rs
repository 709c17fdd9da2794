//! Where a database stands: each part's version, the programs that can use it, and its migrations.

use std::ops::RangeInclusive;

use omniq_core::{Error, Result};

use super::applied::{Applied, decisive, find, version};
use super::effect::Effect;
use super::files::{Known, Part};
use super::fit;
use super::lacking::check_complete;
use crate::sql::schema::Schema;

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// Which part of the schema.
    pub part: Part,
    /// Its number within the part, from 1.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// What it does to programs that do not know it.
    pub effect: Effect,
    /// When it was applied, as text: [`status`](super::status()) gives the time as the database writes it, [`migrate`](super::migrate) the time
    /// of this process in RFC 3339. `None`: not yet.
    pub applied_at: Option<String>,
    /// Whether this program knows it. `false`: it comes from a newer one.
    pub known: bool,
}

/// A part of the schema as the database has it, beside what this program knows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartStatus {
    /// Which part.
    pub part: Part,
    /// The version in the database: the number of the newest migration that was applied. 0: the part is not there.
    pub version: i32,
    /// The version of this program: the number of the newest migration that it knows.
    pub program: i32,
    /// Which versions of a program can use the part as it is. `None`: the part is not there.
    pub usable_by: Option<RangeInclusive<i32>>,
    /// All migrations that the database has or this program knows, in their order.
    pub migrations: Vec<MigrationStatus>,
    refusal: Option<Error>,
}

impl PartStatus {
    /// Whether this program can use the part as it is.
    ///
    /// Errors, as connecting with `migrate` off returns them: `is_schema_too_new` if a newer migration breaks this program,
    /// `is_schema_missing` if a migration is missing, `is_config` if the schema was renamed, or if a migration differs from the one that this
    /// program knows.
    pub fn check(&self) -> Result<()> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    pub(super) fn new(applied: &[Applied], schema: &Schema, part: Part, known: Known) -> Self {
        let fits = fit::check(applied, schema, &[part], known)
            .and_then(|()| check_complete(applied, schema, &[part], known));
        let ours = known.of(part).iter().map(|migration| MigrationStatus {
            part,
            version: migration.version,
            name: migration.name.to_owned(),
            effect: migration.effect(),
            applied_at: find(applied, part, migration.version).map(|row| row.at.clone()),
            known: true,
        });
        let is_newer = |row: &&Applied| {
            row.is_of(part) && known.of(part).iter().all(|migration| migration.version != row.version)
        };
        let newer = applied.iter().filter(is_newer).map(|row| MigrationStatus {
            part,
            version: row.version,
            name: row.name.clone(),
            effect: row.effect.clone(),
            applied_at: Some(row.at.clone()),
            known: false,
        });
        let version = version(applied, part);
        Self {
            part,
            version,
            program: known.version(part),
            usable_by: decisive(applied, part).map(|row| row.effect.usable_from()..=version),
            migrations: ours.chain(newer).collect(),
            refusal: fits.err(),
        }
    }
}
