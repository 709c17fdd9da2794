//! pgmq, by its crate and the SQL that it carries. It is a message queue and has no worker: this program has its own
//! loop, which reads a batch, runs the handler for each message and deletes the batch.

use std::sync::Arc;
use std::time::Duration;

use bench_protocol::{Mode, Noop, bulk, database_url, handle, produce, queues, serve, setting};
use pgmq::{Message, PGMQueueExt};
use sqlx::postgres::PgPoolOptions;

const QUEUE: &str = "bench0";
/// How many seconds a message that was read stays hidden from other readers.
const HIDDEN: i32 = 60;

#[tokio::main]
async fn main() {
    let mode = Mode::from_args().expect("a mode");
    let url = database_url();
    let connections = mode.connections(8) as u32;
    let pool = PgPoolOptions::new().max_connections(connections).min_connections(connections).connect(&url);
    let queue = Arc::new(PGMQueueExt::new_with_pool(pool.await.expect("a pool")).await);
    let send = {
        let queue = queue.clone();
        move |job: Noop| {
            let queue = queue.clone();
            async move {
                queue.send(QUEUE, &job).await.expect("sent");
            }
        }
    };
    match mode {
        Mode::Setup => {
            queue.install_sql_from_embedded().await.expect("installed");
            for name in queues() {
                queue.create(&name).await.expect("created");
            }
        }
        Mode::Bulk(count) => {
            bulk(count, 5_000, |jobs| {
                let queue = queue.clone();
                async move {
                    queue.send_batch(QUEUE, &jobs).await.expect("sent");
                }
            })
            .await;
        }
        Mode::Work(wanted) => {
            serve(wanted);
            let loops: Vec<_> =
                (0..setting("LOOPS", 2)).map(|_| tokio::spawn(consume(queue.clone()))).collect();
            futures::future::join_all(loops).await;
        }
        Mode::Load(_) | Mode::Single(..) | Mode::Paced(..) | Mode::RoundTrip(..) => produce(mode, send).await,
    }
}

async fn consume(queue: Arc<PGMQueueExt>) {
    let batch = setting("BATCH", 1_000);
    let poll = Duration::from_millis(setting("POLL_MS", 10));
    loop {
        let read = queue.read_batch_with_poll(QUEUE, HIDDEN, batch, Some(Duration::from_secs(5)), Some(poll));
        let messages: Vec<Message<Noop, serde_json::Value>> = read.await.expect("read");
        let runs = messages.iter().map(|message| handle(message.message.t));
        futures::future::join_all(runs).await;
        let ids: Vec<i64> = messages.iter().map(|message| message.msg_id).collect();
        if !ids.is_empty() {
            queue.delete_batch(QUEUE, &ids).await.expect("deleted");
        }
    }
}
