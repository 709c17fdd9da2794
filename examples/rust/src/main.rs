//! A shop. `shop web [ADDRESS]` takes orders over HTTP, `shop worker` does what follows from them. Both find the database by
//! `DATABASE_URL`.

#![allow(clippy::print_stdout, reason = "it prints its address")]

mod tasks;
mod web;
mod worker;

use anyhow::Context as _;
use sqlx::PgPool;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    omniq::logging::init("warn")?;
    let mut words = std::env::args().skip(1);
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let pool = PgPool::connect(&url).await?;
    match words.next().as_deref() {
        Some("web") => web::serve(pool, &words.next().unwrap_or_else(|| "127.0.0.1:3000".into())).await,
        Some("worker") => worker::run(pool).await,
        _ => anyhow::bail!("give `web [ADDRESS]` or `worker`"),
    }
}
