//! The database as the storages see it: one pool, one schema, the statements, and what the storages share.

mod attempts;
mod connection;
mod count;
mod hosts;
mod lent;
mod opening;
pub(crate) mod patience;
#[cfg(test)]
mod pinned;
pub(crate) mod pins;
pub(crate) mod pool;
mod probe;
pub(crate) mod returns;
pub(crate) mod sending;
pub(crate) mod sessions;
pub(crate) mod unshown;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{QueueMode, Timeouts};
use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Location, Result};
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use self::connection::Connector;
use self::count::Count;
use self::opening::Opened;
use self::patience::Patience;
use self::pool::{Object, OwnPool, Pool};
use self::returns::Returns;
use self::sessions::{BEAT, Server, Sessions};
use crate::error::{from_driver, is_away};
use crate::settings::Settings;
use crate::sql::schema::Schema;
use crate::sql::{Statement, Statements};

/// How long to wait for a connection that is being opened before checking the pool again.
const ROUND: Duration = Duration::from_millis(20);

/// One database and schema, with a pool of connections to it. Shared by the storages of one backend.
pub(crate) struct Db {
    pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) sql: Statements,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) returns: Arc<Returns>,
    location: Location,
    settings: Settings,
    count: Count,
    /// Keeps a pool of OmniQ's own filled.
    keeper: Option<JoinHandle<()>>,
    closed: AtomicBool,
    /// Whether callers are waiting for a server that is away.
    away: AtomicBool,
    changes: AtomicU32,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("location", &self.location).field("pool", &self.pool.status()).finish()
    }
}

impl Db {
    /// Opens a pool and its first connections. Waits for a server that is away as any call does, for `acquire_timeout` at most;
    /// then the error is `is_unavailable`.
    pub(crate) async fn open(settings: &Settings) -> Result<Arc<Self>> {
        let settings = &settings.completed()?;
        let schema = Schema::new(&settings.schema)?;
        let count = Count::new();
        let Opened { sessions, first } = opening::open(settings, &count).await?;
        let sessions = Arc::new(sessions);
        let pool = OwnPool::builder(Connector::new(Arc::clone(&sessions), &count, first))
            .max_size(settings.pool_max)
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts { wait: Some(settings.acquire_timeout), create: None, recycle: None })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::config(format!("the pool cannot be built: {error}")))?;
        fill(&pool, settings.pool_min.max(1), None).await;
        let location = location(&settings.connect_config()?.0, &schema);
        let keeper = tokio::spawn(keep(pool.clone(), settings.clone()));
        Ok(Self::on(Pool::Own(pool), sessions, schema, location, settings, count, Some(keeper)))
    }

    /// Uses a pool of the program, whose sessions it leaves as they are: all that the statements rely on is set in their
    /// transactions, and nothing is prepared.
    pub(crate) async fn on_program_pool(
        pool: deadpool_postgres::Pool,
        settings: &Settings,
    ) -> Result<Arc<Self>> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let schema = Schema::new(&settings.schema)?;
        let sessions = Arc::new(Sessions::of_program(settings.connect_timeout)?);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let location = Location::new(format!("postgres pool {number} of the program, {}", schema.name()));
        let db = Self::on(Pool::Program(pool), sessions, schema, location, settings, Count::new(), None);
        Server::of_connection(&*db.client().await?).await?;
        Ok(db)
    }

    fn on(
        pool: Pool,
        sessions: Arc<Sessions>,
        schema: Schema,
        location: Location,
        settings: &Settings,
        count: Count,
        keeper: Option<JoinHandle<()>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sql: Statements::new(&schema),
            pool,
            schema,
            sessions,
            returns: Arc::default(),
            location,
            settings: settings.clone(),
            count,
            keeper,
            closed: AtomicBool::new(false),
            away: AtomicBool::new(false),
            changes: AtomicU32::new(0),
        })
    }

    /// A connection for a heartbeat, beside the pool: neither a full pool nor a busy runtime may delay it. It is driven in the
    /// runtime of the caller.
    pub(crate) async fn connect_for_heartbeat(&self) -> Result<ClientWrapper> {
        let client = match &self.pool {
            Pool::Own(_) => {
                let (client, connection) = self.sessions.connect_in_haste().await?;
                let driver = tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "the heartbeat's connection broke");
                    }
                });
                ClientWrapper::new(client, driver)
            }
            Pool::Program(pool) => pool::beside(pool, BEAT).await?,
        };
        self.sessions.make_ready(&client).await?;
        Ok(client)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn location(&self) -> Location {
        self.location.clone()
    }

    /// Error `is_closed` after close.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(Error::closed("the storage is closed: open a new one")) } else { Ok(()) }
    }

    /// How long a call that begins now may keep trying.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.settings.acquire_timeout)
    }

    /// A connection of the pool. Waits for a server that is away.
    pub(crate) async fn client(&self) -> Result<Object> {
        self.client_for(&mut self.patience()).await
    }

    /// A connection of the pool, for a call that has been patient before.
    pub(crate) async fn client_for(&self, patience: &mut Patience) -> Result<Object> {
        loop {
            let error = match self.client_within(patience.left()).await {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            if !is_away(&error) || !patience.pause().await {
                return Err(error);
            }
        }
    }

    /// A connection of the pool, one that becomes free or a new one. Does not wait for a server that is away.
    pub(crate) async fn client_within(&self, wait: Duration) -> Result<Object> {
        self.check_open()?;
        // Boxed, because otherwise the futures of whole calls are nested too deeply for the compiler.
        let answer = Box::pin(self.next_client(Instant::now() + wait)).await;
        match &answer {
            Ok(_) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("the database can be reached again");
                }
            }
            Err(error) => {
                if is_away(error) && !self.away.swap(true, Ordering::Relaxed) {
                    let patience = self.settings.acquire_timeout;
                    tracing::warn!(%error, ?patience, "the database cannot be reached; calls wait for it");
                }
            }
        }
        answer.map_err(Error::unsent)
    }

    /// Waits for a connection that is being opened one round at a time, because another one may be returned in the meantime.
    async fn next_client(&self, end: Instant) -> Result<Object> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.pool.get(left, &self.settings).await {
                Some(client) => return client,
                None if Instant::now() < end => {}
                None => return Err(self.too_slow()),
            }
        }
    }

    fn too_slow(&self) -> Error {
        let (limit, connecting) = (self.settings.acquire_timeout, self.settings.connect_timeout);
        Error::unavailable(format!(
            "no connection to the database within {limit:?}: one is under way, for which each host may take {connecting:?}; raise \
             acquire_timeout or lower connect_timeout"
        ))
    }

    /// The prepared statement. `None` if sessions do not keep prepared statements.
    pub(crate) async fn prepared(
        &self,
        client: &Object,
        statement: &Statement,
    ) -> Result<Option<tokio_postgres::Statement>> {
        if !self.sessions.keeps() {
            return Ok(None);
        }
        let prepared = client.prepare_typed_cached(&statement.text, &statement.types).await;
        prepared.map(Some).map_err(from_driver)
    }

    /// Closes the pool and waits until its sessions have ended. A second call does nothing.
    pub(crate) async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.stop_keeper();
        self.pool.close();
        self.count.all_gone().await;
    }

    /// Closes the connections that no call uses. Later calls open new ones.
    pub(crate) fn replace_idle(&self) {
        self.pool.close_idle();
    }

    /// Counts a statement that changed the counts of tasks. True for every `many`-th one.
    pub(crate) fn is_nth_change(&self, many: u32) -> bool {
        self.changes.fetch_add(1, Ordering::Relaxed) % many == many - 1
    }

    fn stop_keeper(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.stop_keeper();
    }
}

/// Keeps the minimum open and closes connections that were idle for too long.
async fn keep(pool: OwnPool, settings: Settings) {
    let pause = (settings.idle_timeout / 4).clamp(Duration::from_millis(250), Duration::from_secs(15));
    loop {
        tokio::time::sleep(pause).await;
        let mut kept = 0;
        pool.retain(|client, metrics| {
            let keep = !client.is_closed()
                && (kept < settings.pool_min || metrics.last_used() < settings.idle_timeout);
            kept += usize::from(keep);
            keep
        });
        fill(&pool, settings.pool_min, Some(ROUND)).await;
        pool.manager().attempts().sweep();
    }
}

/// Opens connections until the minimum is reached, each within the time given. A server that is away is asked again at the next round.
/// Callers cannot use the connections that are held here, so a slow one is left to the next round as well.
async fn fill(pool: &OwnPool, min: usize, each: Option<Duration>) {
    let timeouts = Timeouts { wait: each, create: each, recycle: None };
    let mut held = Vec::new();
    while pool.status().size < min && pool.status().size < pool.status().max_size {
        // All are held until the end, because otherwise the pool would return the same one again.
        let Ok(client) = pool.timeout_get(&timeouts).await else { break };
        held.push(client);
        if held.len() >= min {
            break;
        }
    }
}

fn location(config: &Config, schema: &Schema) -> Location {
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    let port = |index: usize| config.get_ports().get(index).or(config.get_ports().first()).unwrap_or(&5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(index)),
        Host::Unix(folder) => format!("{}:{}", folder.display(), port(index)),
    });
    let hosts: Vec<String> = hosts.collect();
    Location::new(format!("postgresql://{}/{database} schema {}", hosts.join(","), schema.name()))
}
