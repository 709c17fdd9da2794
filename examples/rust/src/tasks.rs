//! The tasks of the shop: what both programs know of them, and what the worker does.

use std::time::Duration;

use anyhow::Context as _;
use omniq::prelude::*;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// Sends the receipt of an order: its number. It waits for other programs, so many run at once.
pub const RECEIPT: TaskDef<i64, String> =
    TaskDef::new("receipt").max_retries(5).timeout(Duration::from_secs(30)).retry_when(if_it_may_help);

/// Draws the picture of an order. It computes, so it has a queue of its own, and no more run at once than there are processors.
pub const PICTURE: TaskDef<Picture, u64> = TaskDef::new("picture").queue("cpu").max_retries(1);

/// Counts the orders of the day before; a schedule of the worker enqueues it each night.
pub const REPORT: TaskDef<(), i64> = TaskDef::new("report").max_retries(10);

/// Sums up the orders of an item: once for many of them, a second after the last one, and a minute after the first at most.
/// As each transaction enqueues it, no order is missed, and one that comes during a run has a run of its own.
pub fn total(item: &str) -> omniq::Result<NewTask> {
    let once = Unique::args().on_conflict(OnConflict::Reschedule).max_wait(Duration::from_secs(60));
    Ok(TOTAL.call(&item.to_owned())?.delay(Duration::from_secs(1)).unique(once))
}

pub const TOTAL: TaskDef<String, i64> = TaskDef::new("total");

#[derive(Debug, Serialize, Deserialize)]
pub struct Picture {
    pub order: i64,
    pub width: u32,
}

/// An `async fn` with a state and the context, and any error type.
pub async fn send_receipt(order: i64, State(pool): State<PgPool>, task: Context) -> anyhow::Result<String> {
    let mut transaction = pool.begin().await?;
    let (item, receipts): (String, i32) =
        sqlx::query_as("update orders set receipts = receipts + 1 where id = $1 returning item, receipts")
            .bind(order)
            .fetch_one(&mut *transaction)
            .await?;
    anyhow::ensure!(receipts == 1, "order {order} has its receipt");
    let text = format!("1 {item}, order {order}");
    // The task is complete if the transaction is committed, and not otherwise: no order has two receipts, even if the worker is
    // killed here.
    task.complete_in(&mut transaction, &text).await?;
    transaction.commit().await?;
    Ok(text)
}

pub async fn sum_up(item: String, State(pool): State<PgPool>) -> anyhow::Result<i64> {
    let sum = "insert into totals select item, count(*) from orders where item = $1 group by item
               on conflict (item) do update set orders = excluded.orders returning orders";
    let (orders,) = sqlx::query_as(sum).bind(item).fetch_one(&pool).await?;
    Ok(orders)
}

/// The day is that of the tick, not of the run: a run that is late, or repeated, counts the same.
pub async fn report((): (), State(pool): State<PgPool>, task: Context) -> anyhow::Result<i64> {
    let tick = task.tick().context("a report is enqueued by its schedule")?;
    let end = tick.as_microsecond() as f64 / 1e6;
    let day = "select count(*) from orders
               where ordered_at < to_timestamp($1) and ordered_at >= to_timestamp($1) - interval '1 day'";
    let (orders,) = sqlx::query_as(day).bind(end).fetch_one(&pool).await?;
    Ok(orders)
}

/// An order that is not there will not come.
fn if_it_may_help(error: &RunError<'_>, _: &Context) -> Verdict {
    match error.find::<sqlx::Error>() {
        Some(sqlx::Error::RowNotFound) => Verdict::Dead,
        _ => Verdict::Retry,
    }
}

/// A `fn` runs on a thread that may block. It looks now and then whether it should stop.
pub fn draw(picture: Picture, task: Context) -> Result<u64, Failure> {
    let mut sum = picture.order.cast_unsigned();
    for row in 0..picture.width {
        if task.is_cancelled() {
            return Err(Failure::error("stopped", format!("at row {row}")));
        }
        sum = (0..picture.width).fold(sum, |sum, pixel| sum.rotate_left(5) ^ u64::from(pixel));
    }
    Ok(sum)
}
