//! A worker in Rust.

use std::sync::Arc;
use std::time::Duration;

use omniq::{Context, Worker};

use super::handlers::Desk;
use crate::fallible::Fallible;
use crate::history::{Arguments, Writer};
use crate::orders::Orders;

pub async fn run(orders: &Orders, history: Arc<Writer>) -> Fallible {
    let backend = super::common::connect(&orders.url, 6).await?;
    let desk = Arc::new(Desk::new(orders, history));
    let mut builder = Worker::builder(&backend)
        .queues(&orders.queues)
        .name(&*orders.who)
        .concurrency(16)
        .lease(Duration::from_secs_f64(orders.lease))
        .grace(Duration::from_secs(5))
        .maintenance_interval(Duration::from_millis(500));
    for func in ["note", "slow", "flaky", "nap", "drop", "effect", "pay"] {
        let desk = Arc::clone(&desk);
        builder = builder.register(func, move |arguments: Arguments, context: Context| {
            let desk = Arc::clone(&desk);
            async move { desk.run(arguments, context).await }
        });
    }
    builder = builder.register_blocking("hold", move |arguments: Arguments, context: Context| {
        desk.hold(&arguments, &context)
    });
    builder.build()?.run_with_signals().await?;
    backend.close().await?;
    Ok(())
}
