//! Connections: how one is made, and how the pool knows when the last of its own is gone.

use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::BoxFuture;
use omniq_core::{Error, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};

use crate::error::from_driver;
use crate::tls::Tls;

pub(crate) type Open = (Client, Connection<Socket, <Tls as MakeTlsConnect<Socket>>::Stream>);

/// Makes a connection; the caller drives it. The driver's own timeout ends with the connect, before the log-in.
pub(crate) async fn open(config: &Config, tls: &Tls) -> Result<Open> {
    let limit = config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10));
    tokio::time::timeout(limit, config.connect(tls.clone()))
        .await
        .map_err(|_| Error::unavailable(format!("no connection to the database within {limit:?}")))?
        .map_err(from_driver)
}

/// Makes the pool's connections and counts the open ones.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: Tls,
    open: watch::Sender<usize>,
}

impl Connector {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls, open: watch::channel(0).0 }
    }

    /// Waits until no connection is open any more, but not for ever: a caller may hold one beyond the end.
    pub(crate) async fn all_gone(&self) {
        let mut open = self.open.subscribe();
        let gone = open.wait_for(|count| *count == 0);
        if tokio::time::timeout(Duration::from_secs(5), gone).await.is_err() {
            tracing::warn!("closed while connections were in use; they end when their work does");
        }
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

impl Connect for Connector {
    fn connect(
        &self,
        config: &Config,
    ) -> BoxFuture<'_, std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let config = config.clone();
        Box::pin(async move {
            let (client, connection) = config.connect(self.tls.clone()).await?;
            let counted = Counted::new(&self.open);
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection of the pool broke off; it will be replaced");
                }
                drop(counted);
            });
            Ok((client, driver))
        })
    }
}
