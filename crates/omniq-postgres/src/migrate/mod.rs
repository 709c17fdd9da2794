//! Migrations: numbered SQL files, embedded in the library. Each is applied once, under a lock, in one transaction.

mod files;
mod recount;

use std::time::Duration;

use omniq_core::{Error, Result};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

pub use files::{Migration, Part};
pub use recount::recount;

pub use crate::sql::SentStatement;

use tokio_postgres::{IsolationLevel, Row};

use crate::db::Db;
use crate::db::sessions::BEGIN;
use crate::error::from_driver;
use crate::settings::Settings;
use crate::sql::Param;
use crate::sql::schema::{Schema, hash, quote_identifier};

const TABLE: &str = include_str!("../../sql/migrate/table.sql");
const SCHEMA: &str = include_str!("../../sql/migrate/schema.sql");
const EXISTS: &str = include_str!("../../sql/migrate/exists.sql");
const LOCK: &str = include_str!("../../sql/migrate/lock.sql");
const DROP: &str = include_str!("../../sql/migrate/drop.sql");
const PATIENCE: &str = include_str!("../../sql/migrate/patience.sql");
const RECORD: &str = include_str!("../../sql/migrate/record.sql");
const PIN: &str = include_str!("../../sql/migrate/pin.sql");

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Which part of the schema.
    pub part: Part,
    /// Its number within the part, from 1.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// When it was applied, as text: [`status`] gives the time as the database writes it, [`migrate`] the time of this process in
    /// RFC 3339. `None`: not yet.
    pub applied_at: Option<String>,
}

/// A row of the table of migrations.
struct Applied {
    part: String,
    version: i32,
    name: String,
    checksum: String,
    at: String,
    /// The name of the schema when it was made, which its functions use.
    home: String,
}

/// The migrations of these parts, each with whether the database has it. Changes nothing. Errors: `is_schema_too_new`; `is_config` if the
/// schema was renamed, or if a migration differs from the one that this version knows.
pub async fn status(settings: &Settings, parts: &[Part]) -> Result<Vec<MigrationStatus>> {
    let db = Db::open(settings).await?;
    let applied = applied(&db).await;
    db.close().await;
    let applied = applied?;
    check_known(&applied, &db.schema, parts)?;
    Ok(wanted(parts)
        .map(|(part, migration)| MigrationStatus {
            part,
            version: migration.version,
            name: migration.name.to_owned(),
            applied_at: find(&applied, part, migration).map(|row| row.at.clone()),
        })
        .collect())
}

/// Brings these parts up to the newest version and returns the migrations that were applied. Safe when many processes do it at once: one
/// applies them, the others wait and find them applied. A failure or a crash changes nothing. Errors as for [`status`].
pub async fn migrate(settings: &Settings, parts: &[Part]) -> Result<Vec<MigrationStatus>> {
    let db = Db::open(settings).await?;
    let done = apply(&db, parts).await;
    db.close().await;
    done
}

/// Removes the schema with all tasks, results and events in it, in one transaction. Waits for transactions that use its tables. Does
/// nothing if there is no schema.
pub async fn drop_schema(settings: &Settings) -> Result<()> {
    drop_within(settings, Duration::ZERO).await
}

/// As [`drop_schema`], unless other transactions hold its tables for longer than `patience`: then it returns `false` and changes nothing.
pub async fn drop_schema_unless_held(settings: &Settings, patience: Duration) -> Result<bool> {
    match drop_within(settings, patience.max(Duration::from_millis(1))).await {
        Ok(()) => Ok(true),
        Err(error) if error.sqlstate() == Some(SqlState::LOCK_NOT_AVAILABLE.code()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A `patience` of zero waits without limit, as in PostgreSQL.
async fn drop_within(settings: &Settings, patience: Duration) -> Result<()> {
    let db = Db::open(settings).await?;
    let client = db.client().await?;
    let patience = format!("{}ms", patience.as_millis());
    let drop_it = db.schema.fill(DROP, &[]);
    // Sent together, because both are part of one transaction.
    let work = async {
        let params: [(Param<'_>, Type); 1] = [(&patience, Type::TEXT)];
        let (set, dropped) =
            tokio::join!(biased; client.query_typed(PATIENCE, &params), client.batch_execute(&drop_it));
        set.map_err(from_driver)?;
        dropped.map_err(from_driver)
    };
    let dropped = db.sessions.all_or_nothing(&client, BEGIN, work).await;
    drop(client);
    db.close().await;
    dropped
}

/// The SQL that makes these parts in an empty database, to be applied by other means. Error `is_config` for a bad schema name.
pub fn sql(schema: &str, parts: &[Part]) -> Result<String> {
    let schema = Schema::new(schema)?;
    let mut text = format!(
        "begin;\n{PIN};\n{};\n{};\n",
        schema.fill(SCHEMA, &[]).trim(),
        schema.fill(TABLE, &[]).trim()
    );
    for (part, migration) in wanted(parts) {
        text.push_str(&format!(
            "\n-- {part} {:04}_{}\n{}\ninsert into {}.migrations (part, version, name, checksum) values \
             ('{part}', {}, '{}', '{}');\n",
            migration.version,
            migration.name,
            migration.sql(&schema),
            crate::sql::schema::quote_identifier(schema.name()),
            migration.version,
            migration.name,
            migration.checksum(),
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

/// Called when a storage connects. Migrates if the setting `migrate` is on, else checks that no migration is missing.
pub(crate) async fn on_connect(db: &Db, parts: &[Part]) -> Result<()> {
    let applied = applied(db).await?;
    check_known(&applied, &db.schema, parts)?;
    let missing = wanted(parts).find(|(part, migration)| find(&applied, *part, migration).is_none());
    match missing {
        None => Ok(()),
        Some(_) if db.settings().migrate => apply(db, parts).await.map(drop),
        Some((part, migration)) => Err(Error::schema_missing(format!(
            "schema {:?} lacks migration {:04}_{} of the {part}: run `omniq db migrate`, or connect with migrate on",
            db.schema.name(),
            migration.version,
            migration.name
        ))),
    }
}

async fn apply(db: &Db, parts: &[Part]) -> Result<Vec<MigrationStatus>> {
    let schema = &db.schema;
    let mut client = db.client().await?;
    let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false);
    let transaction = begin.start().await.map_err(from_driver)?;
    db.sessions.make_ready_within(transaction.client()).await?;
    transaction.batch_execute(PIN).await.map_err(from_driver)?;
    // A statement for a single use is not prepared, and behind a pooler none can be.
    let query = async |sql: &str, params: &[(Param<'_>, Type)]| {
        transaction.query_typed(sql, params).await.map_err(from_driver)
    };
    query(LOCK, &[(&lock_key(schema), Type::INT8)]).await?;
    let exists = query(EXISTS, &[(&schema.name(), Type::TEXT)]).await?;
    if !exists.first().is_some_and(|row| row.get(0)) {
        transaction.batch_execute(&schema.fill(SCHEMA, &[])).await.map_err(from_driver)?;
    }
    transaction.batch_execute(&schema.fill(TABLE, &[])).await.map_err(from_driver)?;
    let applied = read(&query(&db.sql.migrations.text, &[]).await?);
    check_known(&applied, schema, parts)?;

    let mut done = Vec::new();
    for (part, migration) in wanted(parts) {
        if find(&applied, part, migration).is_some() {
            continue;
        }
        let name = format!("migration {:04}_{} of the {part}", migration.version, migration.name);
        transaction
            .batch_execute(&migration.sql(schema))
            .await
            .map_err(|error| from_driver(error).context(&name))?;
        let (part_name, checksum) = (part.name(), migration.checksum());
        let record: [(Param<'_>, Type); 4] = [
            (&part_name, Type::TEXT),
            (&migration.version, Type::INT4),
            (&migration.name, Type::TEXT),
            (&checksum, Type::TEXT),
        ];
        query(&schema.fill(RECORD, &[]), &record).await?;
        tracing::info!(schema = schema.name(), "{name} applied");
        done.push(MigrationStatus {
            part,
            version: migration.version,
            name: migration.name.to_owned(),
            applied_at: Some(jiff::Timestamp::now().to_string()),
        });
    }
    transaction.commit().await.map_err(from_driver)?;
    Ok(done)
}

async fn applied(db: &Db) -> Result<Vec<Applied>> {
    let schema = &db.schema;
    let table = format!("{}.migrations", quote_identifier(schema.name()));
    let there = db.query(&db.sql.has_migrations, &[("table", &table)]).await?;
    if !there.first().is_some_and(|row| row.get(0)) {
        return Ok(Vec::new());
    }
    match db.query(&db.sql.migrations, &[]).await {
        Ok(rows) => Ok(read(&rows)),
        // The schema was dropped in between.
        Err(error) if error.is_schema_missing() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn read(rows: &[Row]) -> Vec<Applied> {
    rows.iter()
        .map(|row| Applied {
            part: row.get(0),
            version: row.get(1),
            name: row.get(2),
            checksum: row.get(3),
            at: row.get(4),
            home: row.get(5),
        })
        .collect()
}

fn wanted(parts: &[Part]) -> impl Iterator<Item = (Part, &'static Migration)> {
    parts.iter().flat_map(|part| part.migrations().iter().map(|migration| (*part, migration)))
}

fn find<'a>(applied: &'a [Applied], part: Part, migration: &Migration) -> Option<&'a Applied> {
    applied.iter().find(|row| row.part == part.name() && row.version == migration.version)
}

/// Refuses a schema that a newer version of the library has migrated, that has other migrations under the same numbers, or that was
/// renamed.
fn check_known(applied: &[Applied], schema: &Schema, parts: &[Part]) -> Result<()> {
    if let Some(Applied { home, .. }) = applied.iter().find(|row| row.home != schema.name()) {
        let (now, before) = (quote_identifier(schema.name()), quote_identifier(home));
        return Err(Error::config(format!(
            "schema {now} was renamed from {before}, the name that its functions know it by: give it back (alter schema {now} \
             rename to {before}), or make a schema of the new name and move the tasks by a program"
        )));
    }
    for row in applied {
        let Some(part) = parts.iter().find(|part| part.name() == row.part) else { continue };
        let Some(known) = part.migrations().iter().find(|migration| migration.version == row.version) else {
            return Err(Error::schema_too_new(format!(
                "the {part} of the database are at migration {:04}_{}, this version of OmniQ knows only {:04}: \
                 update OmniQ",
                row.version,
                row.name,
                part.migrations().len()
            )));
        };
        if known.checksum() != row.checksum {
            return Err(Error::config(format!(
                "migration {:04}_{} of the {part} in the database differs from the one that this version of OmniQ \
                 knows: it was made by an unreleased version; drop the schema with all its data, or name another",
                row.version, row.name
            )));
        }
    }
    Ok(())
}

fn lock_key(schema: &Schema) -> i64 {
    hash(&format!("omniq migrate {}", schema.name())).cast_signed()
}
