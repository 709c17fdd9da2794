//! The commands, one file each; the demo has a folder of its own.

pub mod db;
pub mod dev;
pub mod events;
mod listing;
pub mod queues;
pub mod results;
pub mod schedules;
mod show;
pub mod tail;
pub mod tasks;
pub mod workers;

use omniq::backend::postgres::AsyncPostgresBackend;

use crate::args::{Cli, Command, Global};
use crate::connect::Database;
use crate::demo;
use crate::fail::Result;
use crate::output::Output;

pub async fn run(cli: &Cli, out: &Output) -> Result<()> {
    let global = &cli.global;
    match &cli.command {
        Command::Demo(args) => demo::run(args, global, &cli.host, out).await,
        Command::Queues(args) => queues::run(args, global, out).await,
        Command::Workers(_) => workers::run(global, out).await,
        Command::Tasks(args) => tasks::run(args, global, out).await,
        Command::Schedules(args) => schedules::run(args, global, out).await,
        Command::Results(args) => results::run(args, global, out).await,
        Command::Events(args) => events::run(args, global, out).await,
        Command::Db(args) => db::run(args, global, out).await,
        Command::Dev(args) => dev::run(args, out),
        Command::DemoWorker => demo::work().await,
    }
}

/// Opens the database without a change of its schema, runs `look`, and closes the database whatever the outcome.
async fn with_backend<T>(
    global: &Global,
    out: &Output,
    look: impl AsyncFnOnce(AsyncPostgresBackend) -> Result<T>,
) -> Result<T> {
    let backend = Database::find(global, out)?.look(out).await?;
    let answer = look(backend.clone()).await;
    let closed = backend.close().await;
    let answer = answer?;
    closed?;
    Ok(answer)
}
