//! The pool's connections: how one is made, how a call uses one, and how the pool detects that its last one is closed.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};
use tokio::runtime::Handle;

use crate::db::attempts::Attempts;
use crate::db::count::Count;
use crate::db::returns::Returning;
use crate::db::sessions::Sessions;
use omniq_core::sync::locked;

pub(crate) type Pool = managed::Pool<Connector>;
pub(crate) type Object = managed::Object<Connector>;

/// For this long after a failure no other connection is tried: otherwise every waiting caller would ask a server that is away or full.
const BREATH: Duration = Duration::from_millis(100);

/// How long the statement of a dropped call may continue before its connection is closed.
const GRACE: Duration = Duration::from_secs(1);

/// A connection of the pool while a call uses it. If the call is dropped, its statement is still in flight and may wait for a lock: no
/// other call gets the connection before it has ended.
pub(crate) struct Lent {
    client: Option<Object>,
    /// Sent after the statement of a call that was dropped.
    end: &'static str,
    /// Dropped when the statements have ended, those of a dropped call too.
    returning: Option<Returning>,
}

impl Lent {
    /// For a call that is sent at once, with its `commit`.
    pub(super) fn new(client: Object, returning: Option<Returning>) -> Self {
        Self { client: Some(client), end: "", returning }
    }

    /// For a transaction of several round trips: it is rolled back unless the connection is returned.
    pub(super) fn to_transaction(client: Object, returning: Option<Returning>) -> Self {
        Self { client: Some(client), end: "rollback", returning }
    }

    /// Returns the connection to the pool, or closes it if it is `broken`: the driver may notice that later, and until then the next caller
    /// must not get the connection.
    pub(crate) fn back(mut self, broken: bool) {
        if let Some(client) = self.client.take()
            && broken
        {
            drop(Object::take(client));
        }
    }
}

impl Deref for Lent {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().expect("there until it is given back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (end, mut left, returning) = (self.end, Left(Some(client)), self.returning.take());
        // Until this ends the connection counts as in use.
        let over = async move {
            let _returning = returning;
            let Some(client) = &left.0 else { return };
            let ended = tokio::time::timeout(GRACE, client.batch_execute(end)).await;
            if matches!(ended, Ok(Ok(()))) {
                drop(left.0.take());
            }
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(over)),
            Err(_) => drop(over),
        }
    }
}

/// A connection whose statement may still be in flight. It is closed unless it is taken out, also if there is no runtime, or if the runtime
/// ends.
struct Left(Option<Object>);

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

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
