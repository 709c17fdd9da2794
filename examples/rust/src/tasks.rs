//! The tasks of the shop: what both programs know of them, and what the worker does.

use std::time::Duration;

use omniq::prelude::*;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// Sends the receipt of an order: its number. It waits for other programs, so many run at once.
pub const RECEIPT: TaskDef<i64, String> =
    TaskDef::new("receipt").max_retries(5).timeout(Duration::from_secs(30)).retry_when(if_it_may_help);

/// Draws the picture of an order. It computes, so it has a queue of its own, and no more run at once than there are processors.
pub const PICTURE: TaskDef<Picture, u64> = TaskDef::new("picture").queue("cpu").max_retries(1);

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

/// An order that is not there will not come.
fn if_it_may_help(error: &RunError<'_>, _: &Context) -> Verdict {
    match error.message() {
        message if message.contains("no rows returned") => Verdict::Dead,
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
