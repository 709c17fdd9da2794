//! The backend on PostgreSQL: tasks, results and events in one object, with one configuration and one pool.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{
    Backend, BlockingBackend, Connect, Error, EventStorage, MemoryEventStorage, MemoryQueue,
    MemoryResultStorage, Result, ResultStorage, TaskQueue, blocking,
};

use crate::db::Db;
use crate::existing_pool::{ExistingPool, Source};
use crate::migrate::{self, Part};
use crate::queue::AsyncPostgresQueue;
use crate::settings::{Placement, Settings};
use crate::wake::Wake;
use crate::{AsyncPostgresEventStorage, AsyncPostgresResultStorage, AsyncPostgresScheduleStorage};

/// The pause between two attempts of a patient connect. Each attempt also waits by itself, for `acquire_timeout`.
const AWAY: Duration = Duration::from_millis(500);

/// Tasks, results and events on PostgreSQL, or each where the [`Settings`] place it.
///
/// Parts that are placed `postgres` share one pool and one transaction. `Deref` gives all methods of [`Backend`]; a worker takes the
/// backend itself ([`backend`](Self::backend)). Cheap to clone: clones share the pool.
#[derive(Debug, Clone)]
pub struct AsyncPostgresBackend {
    backend: Backend,
    queue: Option<AsyncPostgresQueue>,
}

impl Deref for AsyncPostgresBackend {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.backend
    }
}

impl From<&AsyncPostgresBackend> for Backend {
    fn from(backend: &AsyncPostgresBackend) -> Self {
        backend.backend.clone()
    }
}

impl AsyncPostgresBackend {
    /// Connects by URL, which may hold every setting of [`Settings`]. Errors as for [`with_settings`](Self::with_settings).
    pub async fn connect(url: &str) -> Result<Self> {
        Self::with_settings(&Settings::from_url(url)?).await
    }

    /// Connects with the settings of a TOML or YAML file. Errors as for [`Settings::from_file`] and
    /// [`with_settings`](Self::with_settings).
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Self::with_settings(&Settings::from_file(path)?).await
    }

    /// Connects with the settings of the environment variables `OMNIQ_…`. Errors as for [`Settings::from_env`] and
    /// [`with_settings`](Self::with_settings).
    pub async fn from_env() -> Result<Self> {
        Self::with_settings(&Settings::from_env()?).await
    }

    /// Connects with these settings and brings the schema of each part up to date.
    ///
    /// Errors: `is_config` for settings that cannot be used, `is_unavailable` if no server can be reached within `acquire_timeout`,
    /// `is_schema_missing` if a migration is missing and `migrate` is off, the role may not apply it, or the server takes no writes;
    /// `is_schema_too_new` if a newer migration breaks this version. No schema is changed before all have been looked at.
    pub async fn with_settings(settings: &Settings) -> Result<Self> {
        Self::open(settings, None).await
    }

    /// A backend on the database of a pool that the program has, with the settings' defaults. Errors as for
    /// [`from_pool_with_settings`](Self::from_pool_with_settings).
    pub async fn from_pool(pool: impl ExistingPool) -> Result<Self> {
        Self::from_pool_with_settings(pool, &Settings::default()).await
    }

    /// A backend on the database of a pool that the program has. The pool stays the program's: it is not closed with the
    /// backend.
    ///
    /// `deadpool_postgres::Pool` (0.14): every call takes a connection of this pool, by the pool's own limits and for
    /// `acquire_timeout` at most. What the calls need of a session is set in their transactions, and nothing stays behind. So
    /// nothing is prepared, and there are no notifications: an idle worker claims twice a second, as behind a pooler that hands
    /// out connections by transaction, and a call takes longer than on a pool of OmniQ's own. The heartbeat of a worker has one
    /// connection beside the pool, which the pool's manager makes. `pool_min`, `pool_max`, `idle_timeout`, `statement_cache` and
    /// `application_name` have no effect.
    ///
    /// `PgPool` of sqlx (0.9 with the feature `sqlx`, 0.8 with `sqlx-0_8`): only the address is the pool's: host, port, user,
    /// password, database and TLS. OmniQ's statements rely on a protocol loop that sqlx does not have, so the backend opens
    /// connections of its own, `pool_max` at most, with all that belongs to them. Your own transactions stay on your pool: the
    /// verbs that end in `_in` take `&mut transaction` as it is.
    ///
    /// Errors: `is_config` if the settings have a URL, and if the pool of sqlx has its certificates as texts; the others as for
    /// [`with_settings`](Self::with_settings), and `is_pool_timeout` if the pool gives no connection.
    pub async fn from_pool_with_settings(pool: impl ExistingPool, settings: &Settings) -> Result<Self> {
        if settings.url.is_some() {
            return Err(Error::config("url is set: an existing pool says by itself where its database is"));
        }
        match pool.source()? {
            Source::Connections(pool) => Self::open(settings, Some(pool)).await,
            Source::Address(address) => {
                Self::open(&Settings { url: address.url, ..settings.clone() }, None).await
            }
        }
    }

    async fn open(settings: &Settings, pool: Option<deadpool_postgres::Pool>) -> Result<Self> {
        settings.check()?;
        let mut opener = Opener { settings, pool, opened: Vec::new() };
        let connected = opener.connect().await;
        if connected.is_err() {
            for (db, _) in &opener.opened {
                db.close().await;
            }
        }
        connected
    }

    /// As [`with_settings`](Self::with_settings), but waits without limit for a server that is away, and logs that it waits. For workers,
    /// which may be started before their database.
    pub async fn with_settings_patiently(settings: &Settings) -> Result<Self> {
        let mut waited = false;
        loop {
            match Self::with_settings(settings).await {
                Err(error) if error.is_unavailable() => {
                    if !std::mem::replace(&mut waited, true) {
                        tracing::warn!(%error, "the database is away; trying again until it is there");
                    }
                    tokio::time::sleep(AWAY).await;
                }
                connected => {
                    if waited && connected.is_ok() {
                        tracing::info!("the database is there");
                    }
                    return connected;
                }
            }
        }
    }

    /// The parts without the database: the argument of a worker.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The same backend with a change of what is not PostgreSQL's, such as
    /// [`with_keep_args`](Backend::with_keep_args) or a layer around enqueues.
    #[must_use]
    pub fn map_backend(self, change: impl FnOnce(Backend) -> Backend) -> Self {
        Self { backend: change(self.backend), ..self }
    }

    pub(crate) fn postgres_queue(&self) -> Result<&AsyncPostgresQueue> {
        self.queue.as_ref().ok_or_else(|| {
            Error::config("the queue is kept in memory: a transaction of PostgreSQL cannot enqueue there")
        })
    }
}

/// Opens databases: one for all parts that are placed in the main database, and one for each part that has its own.
struct Opener<'a> {
    settings: &'a Settings,
    /// The program's own, for the main database.
    pool: Option<deadpool_postgres::Pool>,
    opened: Vec<(Arc<Db>, Vec<Part>)>,
}

impl Opener<'_> {
    async fn connect(&mut self) -> Result<AsyncPostgresBackend> {
        let settings = self.settings;
        self.open().await?;
        let places: Vec<migrate::Place<'_>> =
            self.opened.iter().map(|(db, parts)| (&**db, &**parts)).collect();
        migrate::on_connect(&places).await?;
        let queue = self.db(Part::Tasks).map(AsyncPostgresQueue::on);
        let parts: Arc<dyn TaskQueue> = match &queue {
            Some(queue) => Arc::new(queue.clone()),
            None => {
                let queue = MemoryQueue::with_options(settings.limits(), settings.keep_completed);
                let queue = queue.with_lease(settings.lease);
                Arc::new(queue.with_retention(settings.completed_ttl, settings.dead_ttl))
            }
        };
        let mut backend =
            Backend::new(parts).with_result_ttl(settings.result_ttl).with_event_ttl(settings.event_ttl);
        backend = backend.with_limits(settings.limits()).with_keep_args(settings.keep_args);
        if settings.results != Placement::Off {
            let results: Arc<dyn ResultStorage> = match self.db(Part::Results) {
                Some(db) => {
                    let shared = queue.as_ref().filter(|_| self.is_shared(Part::Tasks, Part::Results));
                    let wake =
                        shared.map_or_else(|| Arc::new(Wake::new(&db)), |queue| Arc::clone(queue.wake()));
                    Arc::new(AsyncPostgresResultStorage::on(db, wake))
                }
                None => Arc::new(MemoryResultStorage::new().with_limits(settings.limits())),
            };
            backend = backend.with_results(results);
        }
        if settings.events != Placement::Off {
            let events: Arc<dyn EventStorage> = match self.db(Part::Events) {
                Some(db) => Arc::new(AsyncPostgresEventStorage::on(db)),
                None => Arc::new(MemoryEventStorage::new()),
            };
            backend = backend.with_events(events);
        }
        Ok(AsyncPostgresBackend { backend, queue })
    }

    async fn open(&mut self) -> Result<()> {
        let settings = self.settings;
        let places: Vec<_> =
            Part::ALL.into_iter().zip([&settings.tasks, &settings.results, &settings.events]).collect();
        let is_here = |(_, place): &&(Part, &Placement)| **place == Placement::Postgres;
        let here: Vec<_> = places.iter().filter(is_here).map(|(part, _)| *part).collect();
        if !here.is_empty() {
            let db = match self.pool.take() {
                Some(pool) => Db::on_program_pool(pool, settings).await?,
                None => Db::open(settings).await?,
            };
            self.opened.push((db, here));
        }
        for (part, place) in places {
            if let Placement::Url(url) = place {
                self.opened.push((Db::open(&settings.at(url)?).await?, vec![part]));
            }
        }
        Ok(())
    }

    /// Whether two parts have one database and one pool.
    fn is_shared(&self, one: Part, other: Part) -> bool {
        self.opened.iter().any(|(_, parts)| parts.contains(&one) && parts.contains(&other))
    }

    /// The database of a part; `None`: the part is kept in memory.
    fn db(&self, part: Part) -> Option<Arc<Db>> {
        self.opened.iter().find(|(_, parts)| parts.contains(&part)).map(|(db, _)| Arc::clone(db))
    }
}

/// The blocking twin of [`AsyncPostgresBackend`]: all methods of [`BlockingBackend`] by `Deref`.
#[derive(Debug, Clone)]
pub struct PostgresBackend {
    blocking: BlockingBackend,
}

impl Deref for PostgresBackend {
    type Target = BlockingBackend;

    fn deref(&self) -> &BlockingBackend {
        &self.blocking
    }
}

impl PostgresBackend {
    /// Connects by URL, which may hold every setting of [`Settings`]. Errors as for [`with_settings_sync`](Self::with_settings_sync).
    pub fn connect_sync(url: &str) -> Result<Self> {
        Self::with_settings_sync(&Settings::from_url(url)?)
    }

    /// Connects with the settings of a TOML or YAML file. Errors as for [`Settings::from_file`] and
    /// [`with_settings_sync`](Self::with_settings_sync).
    pub fn from_file_sync(path: impl AsRef<Path>) -> Result<Self> {
        Self::with_settings_sync(&Settings::from_file(path)?)
    }

    /// Connects with the settings of the environment variables `OMNIQ_…`. Errors as for [`Settings::from_env`] and
    /// [`with_settings_sync`](Self::with_settings_sync).
    pub fn from_env_sync() -> Result<Self> {
        Self::with_settings_sync(&Settings::from_env()?)
    }

    /// Connects with these settings and brings the schema of each part up to date. Error `is_blocking_in_async` on a thread that
    /// an async runtime needs; the other errors are those of [`AsyncPostgresBackend::with_settings`].
    pub fn with_settings_sync(settings: &Settings) -> Result<Self> {
        let inner = blocking::wait(AsyncPostgresBackend::with_settings(settings))??;
        Ok(Self { blocking: BlockingBackend::new(inner.backend) })
    }

    /// The same backend with a change; see [`AsyncPostgresBackend::map_backend`].
    #[must_use]
    pub fn map_backend(self, change: impl FnOnce(Backend) -> Backend) -> Self {
        Self { blocking: BlockingBackend::new(change(self.blocking.as_async().clone())) }
    }
}

macro_rules! open {
    ($($storage:ty),*) => { $(
        #[async_trait]
        impl Connect for $storage {
            type Settings = Settings;

            async fn connect(url: &str) -> Result<Self> {
                Self::connect(url).await
            }

            async fn with_settings(settings: &Settings) -> Result<Self> {
                Self::with_settings(settings).await
            }
        }
    )* };
}

open!(
    AsyncPostgresQueue,
    AsyncPostgresResultStorage,
    AsyncPostgresEventStorage,
    AsyncPostgresScheduleStorage,
    AsyncPostgresBackend
);
