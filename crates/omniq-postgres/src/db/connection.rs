//! The connections of OmniQ's own pool: how one is made, and how the pool detects that its last one is closed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};

use crate::db::attempts::Attempts;
use crate::db::count::Count;
use crate::db::sessions::Sessions;
use omniq_core::sync::locked;

/// For this long after a failure no other connection is tried: otherwise every waiting caller would ask a server that is away or full.
const BREATH: Duration = Duration::from_millis(100);

/// Makes the pool's connections and counts the open ones.
pub(crate) struct Connector {
    sessions: Arc<Sessions>,
    count: Count,
    /// The connection by which the server was probed.
    first: Mutex<Option<ClientWrapper>>,
    attempts: Attempts,
    failed: Arc<Failed>,
}

/// The last failure, until a connection is made.
#[derive(Default)]
struct Failed(Mutex<Option<(Instant, Error)>>);

impl Failed {
    fn last(&self) -> MutexGuard<'_, Option<(Instant, Error)>> {
        locked(&self.0)
    }
}

impl Connector {
    pub(crate) fn new(sessions: Arc<Sessions>, count: &Count, first: ClientWrapper) -> Self {
        let first = Mutex::new(Some(first));
        Self { sessions, count: count.clone(), first, attempts: Attempts::default(), failed: Arc::default() }
    }

    /// The attempts to connect that have no caller any more.
    pub(crate) fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    fn first(&self) -> Option<ClientWrapper> {
        let first = locked(&self.first).take();
        first.filter(|client| !client.is_closed())
    }

    fn connect(&self) -> impl Future<Output = Result<ClientWrapper>> + Send + 'static {
        let (sessions, count) = (Arc::clone(&self.sessions), self.count.clone());
        let failed = Arc::clone(&self.failed);
        async move {
            let connected = async {
                let client = count.drive(sessions.connect().await?);
                sessions.make_ready(&client).await?;
                Ok(client)
            };
            let connected: Result<_> = connected.await;
            *failed.last() = connected.as_ref().err().map(|error| (Instant::now(), error.clone()));
            connected
        }
    }
}

impl managed::Manager for Connector {
    type Type = ClientWrapper;
    type Error = Error;

    async fn create(&self) -> Result<ClientWrapper> {
        if let Some(first) = self.first() {
            return Ok(first);
        }
        let recent = self.failed.last().clone().filter(|(since, _)| since.elapsed() < BREATH);
        if let Some((_, error)) = recent {
            return Err(error);
        }
        self.attempts.take_over_or(self.connect()).await
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<Error> {
        if client.is_closed() { Err(RecycleError::message("the connection is closed")) } else { Ok(()) }
    }
}
