//! `omniq db status`: versions, the programs that can use the schema, and migrations.

use omniq::backend::postgres::Settings;
use omniq::migrate::{self, Effect, MigrationStatus, Part, PartStatus};
use serde::Serialize;

use crate::fail::Result;
use crate::output::{Output, Tint};

/// A database and the parts that are kept there.
pub type Target = (Settings, Vec<Part>);

/// Shows where all parts stand. Fails if this program cannot use one of them as it is.
pub async fn show(targets: &[Target], out: &Output) -> Result<()> {
    let mut all = Vec::new();
    for (settings, parts) in targets {
        for part in migrate::status(settings, parts).await? {
            all.push((settings, part));
        }
    }
    if out.is_json() {
        let records: Vec<_> = all.iter().map(|(settings, part)| PartRecord::of(settings, part)).collect();
        out.json(&records)?;
    } else {
        let headers = ["part", "schema", "database", "version", "program", "usable by", "fits"];
        let mut table = out.table(&headers).right(&[3, 4]);
        for (settings, part) in &all {
            let fits = part.check().is_ok();
            table.tinted([
                (part.part.to_string(), None),
                (settings.schema.clone(), None),
                (database(settings), None),
                (if part.version == 0 { "none".to_owned() } else { part.version.to_string() }, None),
                (part.program.to_string(), None),
                (range(part), None),
                if fits { ("yes".to_owned(), Some(Tint::Good)) } else { ("no".to_owned(), Some(Tint::Bad)) },
            ]);
        }
        out.line(table.render())?;
        out.line("")?;
        list(all.iter().flat_map(|(_, part)| &part.migrations), out)?;
    }
    all.iter().try_for_each(|(_, part)| part.check())?;
    Ok(())
}

/// Shows migrations that were applied.
pub fn applied(done: &[MigrationStatus], out: &Output) -> Result<()> {
    if out.is_json() {
        return out.json(&done.iter().map(MigrationRecord::of).collect::<Vec<_>>());
    }
    list(done, out)
}

fn list<'a>(migrations: impl IntoIterator<Item = &'a MigrationStatus>, out: &Output) -> Result<()> {
    let mut table = out.table(&["part", "migration", "applied", "effect"]);
    for migration in migrations {
        let applied = match &migration.applied_at {
            Some(time) => (time.clone(), None),
            None => ("not yet".to_owned(), Some(Tint::Wait)),
        };
        let tint = matches!(migration.effect, Effect::Breaks { .. }).then_some(Tint::Bad);
        table.tinted([
            (migration.part.to_string(), None),
            (format!("{:04}_{}", migration.version, migration.name), None),
            applied,
            (migration.effect.to_string(), tint),
        ]);
    }
    out.line(table.render())
}

fn range(part: &PartStatus) -> String {
    match &part.usable_by {
        None => "none".to_owned(),
        Some(range) if range.start() == range.end() => range.start().to_string(),
        Some(range) => format!("{} to {}", range.start(), range.end()),
    }
}

/// The address without its password.
fn database(settings: &Settings) -> String {
    settings.url.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[derive(Debug, Serialize)]
struct PartRecord<'a> {
    part: &'static str,
    schema: &'a str,
    database: String,
    version: i32,
    program: i32,
    usable_by: Option<RangeRecord>,
    usable: bool,
    refusal: Option<String>,
    migrations: Vec<MigrationRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct RangeRecord {
    from: i32,
    to: i32,
}

impl<'a> PartRecord<'a> {
    fn of(settings: &'a Settings, part: &'a PartStatus) -> Self {
        let refusal = part.check().err();
        Self {
            part: part.part.name(),
            schema: &settings.schema,
            database: database(settings),
            version: part.version,
            program: part.program,
            usable_by: part
                .usable_by
                .as_ref()
                .map(|range| RangeRecord { from: *range.start(), to: *range.end() }),
            usable: refusal.is_none(),
            refusal: refusal.map(|error| error.to_string()),
            migrations: part.migrations.iter().map(MigrationRecord::of).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct MigrationRecord<'a> {
    part: &'static str,
    version: i32,
    name: &'a str,
    applied_at: Option<&'a str>,
    known: bool,
    /// Programs below this version cannot use the part afterwards. `null`: it only adds.
    breaks_below: Option<i32>,
    effect: &'a str,
}

impl<'a> MigrationRecord<'a> {
    fn of(migration: &'a MigrationStatus) -> Self {
        Self {
            part: migration.part.name(),
            version: migration.version,
            name: &migration.name,
            applied_at: migration.applied_at.as_deref(),
            known: migration.known,
            breaks_below: match migration.effect {
                Effect::Breaks { below, .. } => Some(below),
                _ => None,
            },
            effect: migration.effect.text(),
        }
    }
}
