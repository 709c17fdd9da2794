//! Migrations: numbered SQL files, embedded in the library. Each is applied once, under a lock, in one transaction, and declares what it does
//! to programs that do not know it: docs/decisions/0037-schema-versions.md.

mod applied;
mod apply;
mod blocked;
mod effect;
mod files;
mod fit;
mod lacking;
mod recount;
mod removal;
mod status;
#[cfg(test)]
mod tests;

use omniq_core::{Error, Result};

pub use effect::Effect;
pub use files::Part;
pub use recount::recount;
pub use removal::{drop_schema, drop_schema_unless_held};
pub use status::{MigrationStatus, PartStatus};

pub use crate::sql::SentStatement;

use self::applied::applied;
use self::apply::apply;
use self::files::{KNOWN, Known};
use crate::db::Db;
use crate::error::takes_no_writes;
use crate::settings::Settings;
use crate::sql::schema::{Schema, quote_identifier, quote_literal};

const TABLE: &str = include_str!("../../sql/migrate/table.sql");
const SCHEMA: &str = include_str!("../../sql/migrate/schema.sql");
const PATIENCE: &str = include_str!("../../sql/migrate/patience.sql");
const PIN: &str = include_str!("../../sql/migrate/pin.sql");

/// Where these parts stand: the version in the database, the program versions that can use it, and all migrations. Changes nothing, and does
/// not fail for a schema that this program cannot use: [`PartStatus::check`] says so. Errors: `is_config` for settings that cannot be used or
/// a schema that an unreleased version made, `is_unavailable`, `is_permission_denied` if the role cannot read the table of migrations.
pub async fn status(settings: &Settings, parts: &[Part]) -> Result<Vec<PartStatus>> {
    status_of(settings, parts, KNOWN).await
}

async fn status_of(settings: &Settings, parts: &[Part], known: Known) -> Result<Vec<PartStatus>> {
    let db = Db::open(settings).await?;
    let applied = applied(&db).await;
    db.close().await;
    let applied = applied?;
    Ok(parts.iter().map(|part| PartStatus::new(&applied, &db.schema, *part, known)).collect())
}

/// Brings these parts up to the newest version that this program knows and returns the migrations that were applied. Does nothing if the
/// schema is newer and this program can use it. Safe when many processes do it at once, older and newer ones: one applies migrations, the
/// others wait and find them applied. A failure or a crash changes nothing. While others hold its tables for long, it gives way and tries again
/// without limit, and logs who holds them.
///
/// Errors: `is_schema_too_new` if a newer migration breaks this program; `is_config` if the schema was renamed, or if a migration differs
/// from the one that this program knows; those of the database.
pub async fn migrate(settings: &Settings, parts: &[Part]) -> Result<Vec<MigrationStatus>> {
    migrate_to(settings, parts, KNOWN).await
}

async fn migrate_to(settings: &Settings, parts: &[Part], known: Known) -> Result<Vec<MigrationStatus>> {
    let db = Db::open(settings).await?;
    let done = apply(&db, parts, known).await;
    db.close().await;
    done
}

/// The SQL that makes these parts in an empty database, to be applied by other means. Error `is_config` for a bad schema name.
pub fn sql(schema: &str, parts: &[Part]) -> Result<String> {
    let schema = Schema::new(schema)?;
    let mut text = format!(
        "begin;\n{PIN};\n{};\n{};\n",
        schema.fill(SCHEMA, &[]).trim(),
        schema.fill(TABLE, &[]).trim()
    );
    for (part, migration) in KNOWN.wanted(parts) {
        let effect = migration.effect();
        text.push_str(&format!(
            "\n-- {part} {:04}_{}\n{}\ninsert into {}.migrations (part, version, name, checksum, usable_from, effect, release) values \
             ('{part}', {}, '{}', '{}', {}, {}, '{}');\n",
            migration.version,
            migration.name,
            migration.sql(&schema),
            quote_identifier(schema.name()),
            migration.version,
            migration.name,
            migration.checksum(),
            effect.usable_from(),
            quote_literal(effect.text()),
            env!("CARGO_PKG_VERSION"),
        ));
    }
    text.push_str("commit;\n");
    Ok(text)
}

/// Every statement as it is sent for this schema. `settle` occurs once for each combination of its blocks. Error
/// `is_config` for a bad schema name.
pub fn statements(schema: &str) -> Result<Vec<SentStatement>> {
    crate::sql::statements(schema)
}

/// A database and the parts that are kept there.
pub(crate) type Place<'a> = (&'a Db, &'a [Part]);

/// Called when storages connect. Migrates if the setting `migrate` is on, else checks that no migration is missing. Changes no database
/// before it has looked at all of them.
pub(crate) async fn on_connect(places: &[Place<'_>]) -> Result<()> {
    connect_as(places, KNOWN).await
}

/// The answer of a call on tasks, which may use the other parts in the schema. If it failed on something that the schema lacks, the versions
/// are read: a newer migration may have closed the schema to this program since it connected, and then that is the error.
pub(crate) async fn explained<T>(db: &Db, answer: Result<T>) -> Result<T> {
    match answer {
        // Boxed: otherwise the future of each call has room for this rare one, and is moved with it.
        Err(error) if error.is_schema_missing() => Err(Box::pin(explanation(db, error)).await),
        answer => answer,
    }
}

async fn explanation(db: &Db, error: Error) -> Error {
    let Ok(applied) = applied(db).await else { return error };
    let there: Vec<_> = Part::ALL.into_iter().filter(|part| applied::version(&applied, *part) > 0).collect();
    match fit::check(&applied, &db.schema, &there, KNOWN) {
        Ok(()) => error,
        Err(refusal) => refusal.with_source(error),
    }
}

async fn connect_as(places: &[Place<'_>], known: Known) -> Result<()> {
    let mut incomplete = Vec::new();
    for (db, parts) in places {
        let applied = applied(db).await?;
        fit::check(&applied, &db.schema, parts, known)?;
        for part in *parts {
            let (version, program) = (applied::version(&applied, *part), known.version(*part));
            if version > program {
                let schema = db.schema.name();
                tracing::info!(
                    schema,
                    "the {part} are at version {version}, which this program, at {program}, can use"
                );
            }
        }
        match lacking::check_complete(&applied, &db.schema, parts, known) {
            Err(missing) if db.settings().migrate => incomplete.push((db, parts, missing)),
            complete => complete?,
        }
    }
    for (db, parts, missing) in incomplete {
        apply(db, parts, known).await.map_err(|error| not_applied(missing, error))?;
    }
    Ok(())
}

/// The error of a connect that was to apply a missing migration. Where that is not for this role or this server to do, what is missing is
/// what the caller must know.
fn not_applied(missing: Error, error: Error) -> Error {
    if !error.is_permission_denied() && !takes_no_writes(&error) {
        return error;
    }
    Error::schema_missing(format!("{missing}; it was not applied here: {error}")).with_source(error)
}
