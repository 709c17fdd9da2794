//! The number of open connections.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::sync::watch;

use crate::db::hosts::Open;

/// The number of open connections. It outlives the pool.
#[derive(Debug, Clone)]
pub(crate) struct Count(watch::Sender<usize>);

impl Count {
    pub(crate) fn new() -> Self {
        Self(watch::channel(0).0)
    }

    /// Waits until no connection is open, for 5 seconds at most: a caller may hold one for longer.
    pub(crate) async fn all_gone(&self) {
        let mut open = self.0.subscribe();
        let gone = open.wait_for(|count| *count == 0);
        if tokio::time::timeout(Duration::from_secs(5), gone).await.is_err() {
            tracing::warn!("closed while connections were in use; they end when their work does");
        }
    }

    /// Drives a connection in the background until its client is dropped.
    pub(crate) fn drive(&self, (client, connection): Open) -> ClientWrapper {
        let counted = Counted::new(&self.0);
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the pool broke off; it will be replaced");
            }
            drop(counted);
        });
        ClientWrapper::new(client, driver)
    }
}

/// Counts a connection for as long as it lives, also if its task is aborted with its runtime.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count += 1);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
