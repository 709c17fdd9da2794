//! The database as the storages see it: one pool, one schema, the statements, and what they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use omniq_core::{Error, Location, Result};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use crate::connection::Connector;
use crate::error::{from_driver, from_pool};
use crate::rows::Columns;
use crate::schema::Schema;
use crate::settings::Settings;
use crate::sql::{Statement, Statements};
use crate::tls::Tls;
use crate::transaction::until_done;
use crate::unshown;

pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// How the sessions plan. Every statement finds its rows by an index and takes arrays whose length says nothing of the best
/// plan: so plans are made once and kept, and one that was made while a table was small stays right when it has grown.
/// A bitmap scan in particular looks cheap as long as the statistics know of few tasks; in a claim it then reads and
/// sorts the whole backlog (measured: 40 ms a claim at 40,000 tasks). And where the table was empty at that time, its index
/// read from end to end looks cheaper than a look by id. That plan exists for joins on `t.id = x.id` alone, whose order it
/// has; so the statements write `t.id = any (array[x.id])` (measured: a drain of 43,000 tasks in 4 s instead of 60 s).
pub(crate) const PLANNING: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off -c omniq.direct=on";

/// How a search is planned: with the values at hand, and also by the indexes that only a bitmap scan can use.
pub(crate) const SEARCHING: &str =
    "set local plan_cache_mode = force_custom_plan; set local enable_bitmapscan = on";

/// One database and schema, with a pool of connections to it. Shared by the storages of one backend.
pub(crate) struct Db {
    pool: Pool,
    pub(crate) schema: Schema,
    pub(crate) sql: Statements,
    location: Location,
    settings: Settings,
    config: Config,
    tls: Tls,
    connector: Connector,
    keeper: JoinHandle<()>,
    closed: AtomicBool,
    changes: AtomicU32,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("location", &self.location).field("pool", &self.pool.status()).finish()
    }
}

impl Db {
    /// Opens a pool and its first connections. Fails (`is_unavailable`) if the server cannot be reached.
    ///
    /// A pooler that hands out connections by transaction is found out: it refuses, or swallows, what a session asks for at its
    /// start. Behind one, statements are not prepared, and sleepers poll.
    pub(crate) async fn open(settings: &Settings) -> Result<Arc<Self>> {
        let pooled = || Settings { statement_cache: false, ..settings.clone() };
        let opened = Self::open_as(settings).await;
        if !settings.statement_cache {
            return opened;
        }
        match opened {
            Ok(db) if db.is_direct().await? => Ok(db),
            Ok(db) => {
                db.close().await;
                Self::open_as(&pooled()).await
            }
            Err(error) if error.to_string().contains("unsupported startup parameter") => {
                Self::open_as(&pooled()).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whether what a session asked for at its start holds.
    async fn is_direct(&self) -> Result<bool> {
        let client = self.client().await?;
        let sql = "select coalesce(current_setting('omniq.direct', true), '') = 'on'";
        let rows = client.query_typed(sql, &[]).await.map_err(from_driver)?;
        rows.first().map_or(Ok(false), |row| Columns::new(row).take())
    }

    async fn open_as(settings: &Settings) -> Result<Arc<Self>> {
        settings.check()?;
        let schema = Schema::new(&settings.schema)?;
        let (mut config, tls) = settings.connect_config()?;
        if settings.statement_cache {
            let given = config.get_options().unwrap_or_default();
            let options = format!("{PLANNING} {given}");
            config.options(options);
        }
        let connector = Connector::new(tls.clone());
        let manager = Manager::from_connect(
            config.clone(),
            connector.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(settings.pool_max)
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts {
                wait: Some(settings.acquire_timeout),
                create: Some(settings.connect_timeout),
                recycle: Some(settings.connect_timeout),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::config(format!("the pool cannot be built: {error}")))?;
        let location = location(&config, &schema);
        let keeper = tokio::spawn(keep(pool.clone(), settings.clone()));
        let db = Arc::new(Self {
            sql: Statements::new(&schema),
            pool,
            schema,
            location,
            settings: settings.clone(),
            config,
            tls,
            connector,
            keeper,
            closed: AtomicBool::new(false),
            changes: AtomicU32::new(0),
        });
        // One connection shows that the server is there; the keeper adds up to the minimum.
        check_version(&db.client().await?).await?;
        fill(&db.pool, settings.pool_min).await;
        Ok(db)
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

    /// A connection of the pool.
    pub(crate) async fn client(&self) -> Result<Object> {
        self.check_open()?;
        self.pool
            .get()
            .await
            .map_err(|error| from_pool(error, self.settings.pool_max, self.settings.acquire_timeout))
    }

    /// A connection apart from the pool, for what a full pool must not hold up.
    pub(crate) fn own_connection(&self) -> (Config, Tls) {
        (self.config.clone(), self.tls.clone())
    }

    pub(crate) async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>> {
        until_done(|| self.query_once(statement, params)).await
    }

    async fn query_once(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let answer = self.query_on(&client, statement, params).await;
        give_back(client, answer)
    }

    async fn query_on(
        &self,
        client: &Object,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>> {
        match self.prepared(client, statement).await? {
            Some(prepared) => unshown::query(client, &prepared, params).await.map_err(from_driver),
            None => self.query_fresh(client, statement, params).await,
        }
    }

    /// Two statements in one round trip, carried out in this order.
    pub(crate) async fn query_both(
        &self,
        client: Object,
        first: (&Statement, &[Param<'_>]),
        second: (&Statement, &[Param<'_>]),
    ) -> Result<(Vec<Row>, Vec<Row>)> {
        let answer = self.query_both_on(&client, first, second).await;
        give_back(client, answer)
    }

    async fn query_both_on(
        &self,
        client: &Object,
        first: (&Statement, &[Param<'_>]),
        second: (&Statement, &[Param<'_>]),
    ) -> Result<(Vec<Row>, Vec<Row>)> {
        // Prepared before either is sent: the order of sending is the order of execution.
        let prepared = (self.prepared(client, first.0).await?, self.prepared(client, second.0).await?);
        if let (Some(a), Some(b)) = prepared {
            let (first, second) =
                tokio::join!(unshown::query(client, &a, first.1), unshown::query(client, &b, second.1));
            return Ok((first.map_err(from_driver)?, second.map_err(from_driver)?));
        }
        let (first, second) = tokio::join!(
            self.query_fresh(client, first.0, first.1),
            self.query_fresh(client, second.0, second.1)
        );
        Ok((first?, second?))
    }

    /// `None`: statements are not to be kept.
    pub(crate) async fn prepared(
        &self,
        client: &Object,
        statement: &Statement,
    ) -> Result<Option<tokio_postgres::Statement>> {
        if !self.settings.statement_cache {
            return Ok(None);
        }
        let prepared = client.prepare_typed_cached(&statement.text, &statement.types).await;
        prepared.map(Some).map_err(from_driver)
    }

    pub(crate) async fn query_fresh(
        &self,
        client: &Object,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>> {
        unshown::query_typed(client, statement, params).await.map_err(from_driver)
    }

    /// For statements with optional filters: planned with the values at hand, on which the best index depends.
    pub(crate) async fn search(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.in_transaction(SEARCHING, &[(statement, params)]).await
    }

    /// For searches that answer with a single count.
    pub(crate) async fn search_count(&self, statement: &Statement, params: &[Param<'_>]) -> Result<u64> {
        let rows = self.search(statement, params).await?;
        rows.first().map_or(Ok(0), |row| Columns::new(row).take::<i64>().map(i64::cast_unsigned))
    }

    /// For statements that answer with exactly one row.
    pub(crate) async fn one(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Row> {
        let mut rows = self.query(statement, params).await?;
        rows.pop().ok_or_else(|| Error::internal("the database gave no row where one was due"))
    }

    /// Closes the pool and waits until its sessions are gone. A second call does nothing.
    pub(crate) async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.keeper.abort();
        self.pool.close();
        self.connector.all_gone().await;
    }

    /// Counts a statement that changed how many tasks there are; whether it is the last of this many.
    pub(crate) fn is_nth_change(&self, many: u32) -> bool {
        self.changes.fetch_add(1, Ordering::Relaxed) % many == many - 1
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Parts with a connection, for good if the answer shows that it is broken: the driver may notice a moment later, and the next
/// caller must not get it until then.
pub(crate) fn give_back<T>(client: Object, answer: Result<T>) -> Result<T> {
    if answer.as_ref().is_err_and(Error::is_unavailable) {
        drop(Object::take(client));
    }
    answer
}

/// Keeps the minimum open and closes what has been idle for long.
async fn keep(pool: Pool, settings: Settings) {
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
        fill(&pool, settings.pool_min).await;
    }
}

/// Opens connections until the minimum is there; a server that is away is asked again at the next round.
async fn fill(pool: &Pool, min: usize) {
    let mut held = Vec::new();
    while pool.status().size < min && pool.status().size < pool.status().max_size {
        // Held together, or the pool would hand out the same one again.
        let Ok(client) = pool.get().await else { break };
        held.push(client);
        if held.len() >= min {
            break;
        }
    }
}

/// The oldest server that the tests run on.
const OLDEST: i32 = 15;

/// Refuses a server that may lack what the statements need, before anything is written.
async fn check_version(client: &Object) -> Result<()> {
    let row = client
        .query_typed("select current_setting('server_version_num')::integer / 10000", &[])
        .await
        .map_err(from_driver)?;
    let version: i32 = row.first().map_or(Ok(0), |row| Columns::new(row).take())?;
    if version < OLDEST {
        return Err(Error::config(format!(
            "the server is PostgreSQL {version}: OmniQ needs {OLDEST} or newer"
        )));
    }
    Ok(())
}

fn location(config: &Config, schema: &Schema) -> Location {
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    Location::new(format!(
        "postgres {:?} {:?} {database} {}",
        config.get_hosts(),
        config.get_ports(),
        schema.name()
    ))
}
