//! `omniq db`: the schema.

use clap::{Args, Subcommand, ValueEnum};
use omniq::backend::postgres::{Placement, Settings};
use omniq::migrate::{self, MigrationStatus, Part};
use serde::Serialize;
use serde_json::json;

use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Failure, Result};
use crate::output::{Output, Tint};

const HELP: &str = "\
The schema is made of numbered migrations, apart for tasks, results and events: a part that is not
used is not made. Programs that connect bring it up to date by themselves unless the setting
`migrate` is off. It is safe to run this from many places at once.

The looking commands (`omniq queues`, `tasks list` and so on) never change the schema of a
configured database.

Examples:
  omniq db status
  omniq db migrate                              the parts that are configured
  omniq db migrate --part tasks --part events   just these
  omniq db sql --schema jobs > schema.sql       to be applied by other means
  omniq db statements dequeue                   what OmniQ sends
  omniq db recount                              after changes by SQL of your own";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Bring the schema up to the newest version
    #[command(after_help = "Examples:\n  omniq db migrate\n  omniq db migrate --part tasks --part events")]
    Migrate(Parts),
    /// Show which migrations the database has
    #[command(after_help = "Example:\n  omniq db status")]
    Status(Parts),
    /// Count the tasks again, after you changed them with your own SQL
    #[command(
        after_help = "Tasks cannot be added, claimed or settled until it is done: some seconds for ten million.\n\n\
                      Example:\n  omniq db recount"
    )]
    Recount,
    /// Print the SQL that creates the schema in an empty database
    #[command(after_help = "Example:\n  omniq db sql --schema jobs > schema.sql")]
    Sql(Parts),
    /// Print the statements as they are sent, or one of them by name
    #[command(after_help = "Examples:\n  omniq db statements\n  omniq db statements settle_results_stays")]
    Statements {
        /// The name of a statement
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Parts {
    /// A part, instead of the configured ones; may be given more than once
    #[arg(long = "part", value_name = "PART", value_enum)]
    parts: Vec<PartName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    Tasks,
    Results,
    Events,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Tasks => Self::Tasks,
            PartName::Results => Self::Results,
            PartName::Events => Self::Events,
        }
    }
}

pub async fn run(args: &DbArgs, global: &Global, out: &Output) -> Result<()> {
    match &args.command {
        DbCommand::Migrate(parts) => {
            let mut done = Vec::new();
            for (settings, parts) in parts.targets(&Database::find(global, out)?.settings)? {
                done.extend(migrate::migrate(&settings, &parts).await?);
            }
            if out.is_json() {
                return out.json(&records(&done));
            }
            if done.is_empty() {
                return out.line("Nothing to do: the schema is up to date.");
            }
            show(&done, out)
        }
        DbCommand::Status(parts) => {
            let mut all = Vec::new();
            for (settings, parts) in parts.targets(&Database::find(global, out)?.settings)? {
                all.extend(migrate::status(&settings, &parts).await?);
            }
            if out.is_json() { out.json(&records(&all)) } else { show(&all, out) }
        }
        DbCommand::Recount => {
            let settings = Database::find(global, out)?.settings;
            let tasks = Parts { parts: Vec::new() }.targets(&settings)?;
            let Some((settings, _)) = tasks.into_iter().find(|(_, parts)| parts.contains(&Part::Tasks))
            else {
                return Err(Failure::usage("the settings do not keep tasks in PostgreSQL: nothing to count"));
            };
            migrate::recount(&settings).await?;
            if out.is_json() { out.json(&json!({ "recounted": true })) } else { out.line("Counted anew.") }
        }
        DbCommand::Statements { name } => statements(name.as_deref(), &offline(global)?.schema, out),
        DbCommand::Sql(parts) => {
            let settings = offline(global)?;
            let parts = parts.named().unwrap_or_else(|| Part::ALL.to_vec());
            let sql = migrate::sql(&settings.schema, &parts)?;
            if out.is_json() { out.json(&json!({ "sql": sql })) } else { out.line(sql.trim_end()) }
        }
    }
}

/// The settings, for commands that need no database.
fn offline(global: &Global) -> Result<Settings> {
    let settings = Settings::load(global.config.as_deref(), global.url.as_deref())?;
    match &global.schema {
        Some(schema) => Ok(Settings::builder().schema(schema).build_over(settings)?),
        None => Ok(settings),
    }
}

fn statements(name: Option<&str>, schema: &str, out: &Output) -> Result<()> {
    let mut all = migrate::statements(schema)?;
    if let Some(name) = name {
        let names: Vec<_> = all.iter().map(|one| one.name.clone()).collect();
        all.retain(|one| one.name == name);
        if all.is_empty() {
            let names = names.join(", ");
            return Err(Failure::usage(format!("there is no statement {name:?}: the names are {names}")));
        }
    }
    if out.is_json() {
        let params = |params: &[(String, String)]| -> Vec<_> {
            params.iter().map(|(name, ty)| json!({ "name": name, "type": ty })).collect()
        };
        let all: Vec<_> = all
            .iter()
            .map(|one| json!({ "name": one.name, "params": params(&one.params), "sql": one.sql }))
            .collect();
        return out.json(&all);
    }
    let texts: Vec<_> = all.iter().map(|one| format!("{};", one.to_string().trim_end())).collect();
    out.line(texts.join("\n\n"))
}

impl Parts {
    fn named(&self) -> Option<Vec<Part>> {
        let named: Vec<Part> = self.parts.iter().map(|name| Part::from(*name)).collect();
        (!named.is_empty()).then_some(named)
    }

    /// Each database, with the parts that are kept there.
    fn targets(&self, settings: &Settings) -> Result<Vec<(Settings, Vec<Part>)>> {
        let named = self.named();
        let mut here = Vec::new();
        let mut targets = Vec::new();
        for (part, place) in Part::ALL.into_iter().zip([&settings.tasks, &settings.results, &settings.events])
        {
            if named.as_ref().is_some_and(|named| !named.contains(&part)) {
                continue;
            }
            match place {
                Placement::Url(url) => targets.push((settings.at(url)?, vec![part])),
                Placement::Postgres => here.push(part),
                // A part named with `--part` is included, even if the settings keep it in memory or turn it off.
                Placement::Memory | Placement::Off if named.is_some() => here.push(part),
                Placement::Memory | Placement::Off => {}
            }
        }
        if !here.is_empty() {
            targets.insert(0, (settings.clone(), here));
        }
        if targets.is_empty() {
            return Err(Failure::usage("the settings keep nothing in PostgreSQL: name parts with --part"));
        }
        Ok(targets)
    }
}

#[derive(Debug, Serialize)]
struct MigrationRecord<'a> {
    part: &'static str,
    version: i32,
    name: &'a str,
    applied_at: Option<&'a str>,
}

fn records(all: &[MigrationStatus]) -> Vec<MigrationRecord<'_>> {
    all.iter()
        .map(|MigrationStatus { part, version, name, applied_at }| MigrationRecord {
            part: part.name(),
            version: *version,
            name,
            applied_at: applied_at.as_deref(),
        })
        .collect()
}

fn show(all: &[MigrationStatus], out: &Output) -> Result<()> {
    let mut table = out.table(&["part", "version", "name", "applied"]).right(&[1]);
    for migration in all {
        let applied = match &migration.applied_at {
            Some(time) => (time.clone(), None),
            None => ("not yet".to_owned(), Some(Tint::Wait)),
        };
        table.tinted([
            (migration.part.to_string(), None),
            (migration.version.to_string(), None),
            (migration.name.clone(), None),
            applied,
        ]);
    }
    out.line(table.render())
}
