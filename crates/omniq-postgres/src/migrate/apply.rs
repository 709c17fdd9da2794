//! Applies migrations: under a lock, in one transaction.

use omniq_core::Result;
use tokio_postgres::IsolationLevel;
use tokio_postgres::types::Type;

use super::applied::{find, read, unreleased, version};
use super::blocked::{LOCK_TIMEOUT, Pauses, is_blocked};
use super::effect::Effect;
use super::files::{Known, Part};
use super::fit;
use super::status::MigrationStatus;
use super::{PATIENCE, PIN, SCHEMA, TABLE};
use crate::db::Db;
use crate::error::from_driver;
use crate::sql::Param;
use crate::sql::schema::{Schema, hash};

const EXISTS: &str = include_str!("../../sql/migrate/exists.sql");
const LOCK: &str = include_str!("../../sql/migrate/lock.sql");
const RECORD: &str = include_str!("../../sql/migrate/record.sql");

/// Applies what the database lacks, if the program fits it. What it has beyond that stays. Gives way to those that hold its tables for long,
/// and tries again without limit.
pub(super) async fn apply(db: &Db, parts: &[Part], known: Known) -> Result<Vec<MigrationStatus>> {
    let mut pauses = Pauses::default();
    loop {
        match attempt(db, parts, known).await {
            Err(error) if is_blocked(&error) => pauses.give_way(db, &error).await,
            answer => return answer,
        }
    }
}

async fn attempt(db: &Db, parts: &[Part], known: Known) -> Result<Vec<MigrationStatus>> {
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
    let patience = format!("{}ms", LOCK_TIMEOUT.as_millis());
    query(PATIENCE, &[(&patience, Type::TEXT)]).await?;
    let exists = query(EXISTS, &[(&schema.name(), Type::TEXT)]).await?;
    if !exists.first().is_some_and(|row| row.get(0)) {
        transaction.batch_execute(&schema.fill(SCHEMA, &[])).await.map_err(from_driver)?;
    }
    transaction.batch_execute(&schema.fill(TABLE, &[])).await.map_err(from_driver)?;
    let applied = read(&query(&db.sql.migrations.text, &[]).await.map_err(unreleased)?);
    // Again, because another program may have held the lock.
    fit::check(&applied, schema, parts, known)?;

    let mut done = Vec::new();
    for (part, migration) in known.wanted(parts) {
        if find(&applied, part, migration.version).is_some() {
            continue;
        }
        transaction
            .batch_execute(&migration.sql(schema))
            .await
            .map_err(|error| from_driver(error).context(format!("migration {migration}")))?;
        let (part_name, checksum, effect) = (part.name(), migration.checksum(), migration.effect());
        let (usable_from, words, release) = (effect.usable_from(), effect.text(), env!("CARGO_PKG_VERSION"));
        let record: [(Param<'_>, Type); 7] = [
            (&part_name, Type::TEXT),
            (&migration.version, Type::INT4),
            (&migration.name, Type::TEXT),
            (&checksum, Type::TEXT),
            (&usable_from, Type::INT4),
            (&words, Type::TEXT),
            (&release, Type::TEXT),
        ];
        query(&schema.fill(RECORD, &[]), &record).await?;
        done.push(MigrationStatus {
            version: migration.version,
            name: migration.name.to_owned(),
            part,
            effect,
            applied_at: Some(jiff::Timestamp::now().to_string()),
            known: true,
        });
    }
    transaction.commit().await.map_err(from_driver)?;
    for MigrationStatus { version: number, name, part, effect, .. } in &done {
        match effect {
            // Where the part is new, there are no older programs.
            Effect::Breaks { .. } if version(&applied, *part) > 0 => {
                tracing::warn!(
                    schema = schema.name(),
                    "migration {number:04}_{name} of the {part} applied, which {effect}"
                );
            }
            _ => tracing::info!(schema = schema.name(), "migration {number:04}_{name} of the {part} applied"),
        }
    }
    Ok(done)
}

pub(super) fn lock_key(schema: &Schema) -> i64 {
    hash(&format!("omniq migrate {}", schema.name())).cast_signed()
}
