//! The ear of a queue: one connection that listens for the bell, apart from the pool, and comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;

use crate::connection;
use crate::db::Db;

/// The shortest and the longest wait between two tries to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Counts the rings; ends when dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    rings: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(db: &Arc<Db>) -> Self {
        let (ring, rings) = watch::channel(0);
        let (config, tls) = db.own_connection();
        let listen = format!("listen \"{}\"", db.schema.channel());
        let task = tokio::spawn(async move {
            let mut pause = RETRY.0;
            loop {
                let heard = AtomicBool::new(false);
                if let Err(error) = hear(&config, &tls, &listen, &ring, &heard).await {
                    tracing::debug!(%error, "the listening connection broke off; polling until it is back");
                }
                // Whoever sleeps looks now: bells may have rung unheard.
                ring.send_modify(|count| *count += 1);
                // A server that let us listen is up: only one that does not is given ever more time.
                pause = if heard.into_inner() { RETRY.0 } else { (pause * 2).min(RETRY.1) };
                tokio::time::sleep(pause).await;
            }
        });
        Self { rings, task }
    }

    /// Rings from now on.
    pub(crate) fn rings(&self) -> watch::Receiver<u64> {
        let mut rings = self.rings.clone();
        rings.mark_unchanged();
        rings
    }

    /// Ends the connection and waits until it is gone.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // The connection is dropped with its task, which closes its socket.
        while !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(
    config: &tokio_postgres::Config,
    tls: &crate::tls::Tls,
    listen: &str,
    ring: &watch::Sender<u64>,
    heard: &AtomicBool,
) -> omniq_core::Result<()> {
    let (client, mut connection) = connection::open(config, tls).await?;
    let messages = std::future::poll_fn(|context| connection.poll_message(context));
    let listening = async {
        client.batch_execute(listen).await?;
        heard.store(true, Ordering::Relaxed);
        // Sleepers that looked before this moment may have missed a bell.
        ring.send_modify(|count| *count += 1);
        std::future::pending::<Result<(), tokio_postgres::Error>>().await
    };
    tokio::pin!(listening);
    tokio::pin!(messages);
    loop {
        tokio::select! {
            message = &mut messages => match message {
                Some(Ok(AsyncMessage::Notification(_))) => ring.send_modify(|count| *count += 1),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(crate::error::from_driver(error)),
                None => return Ok(()),
            },
            Err(error) = &mut listening => return Err(crate::error::from_driver(error)),
        }
    }
}
