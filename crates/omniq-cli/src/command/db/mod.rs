//! `omniq db`: the schema.

mod apply;
mod parts;
mod status;

use clap::{Args, Subcommand};
use omniq::backend::postgres::Settings;
use omniq::migrate::{self, Part};
use serde_json::json;

use self::parts::Parts;
use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Failure, Result};
use crate::output::Output;

const HELP: &str = "\
The schema is made of numbered migrations, apart for tasks, results and events: a part that is not
used is not made. Programs that connect bring it up to date by themselves unless the setting
`migrate` is off. It is safe to run this from many places at once, also from older programs: they
change nothing, or are refused if a newer migration breaks them.

To upgrade, migrate first, then replace the programs. While migrations only add, older programs go
on, restart, and can be put back. `omniq db status` says which programs can use the schema.

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
    /// Show the versions of schema and program, and which programs can use the schema
    #[command(
        after_help = "The version of a part is the number of its newest migration. The exit code is 0 if this program can\n\
                      use all parts as they are, and 1 or 2 if not; the reason is on stderr.\n\n\
                      Examples:\n  omniq db status\n  omniq db status --json | jq '.[] | select(.usable | not)'"
    )]
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

pub async fn run(args: &DbArgs, global: &Global, out: &Output) -> Result<()> {
    match &args.command {
        DbCommand::Migrate(parts) => {
            apply::run(&parts.targets(&Database::find(global, out)?.settings)?, out).await
        }
        DbCommand::Status(parts) => {
            status::show(&parts.targets(&Database::find(global, out)?.settings)?, out).await
        }
        DbCommand::Recount => {
            let settings = Database::find(global, out)?.settings;
            let tasks = Parts::configured().targets(&settings)?;
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
