//! The configuration of a PostgreSQL backend: all settings and their defaults.

mod apply;
mod builder;
mod check;
mod connect;
mod environment;
mod foreign;
mod given;
mod libpq;
mod other_programs;
mod parameters;
mod passed_over;
mod passfile;
mod placement;
mod render;
mod service;
mod source;
mod split;
mod split_pairs;
mod split_url;
#[cfg(test)]
mod tests;
mod url;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use omniq_core::Backend;
use serde::{Deserialize, Serialize};

pub use apply::Values;
pub use builder::Builder;
pub use environment::check_environment;
use given::Given;
#[doc(hidden)]
pub use given::as_written;
pub use placement::Placement;
pub use url::DatabaseUrl;

/// Everything that can be set on a PostgreSQL backend.
///
/// There are five ways to set it, and equal values have equal effect: the [builder](Settings::builder), a
/// [URL](Settings::from_url) with query parameters, this struct, a TOML or YAML
/// [file](Settings::from_file), and `OMNIQ_…` [environment variables](Settings::from_env). All of them use the names
/// of the fields. Times written as text or numbers are in seconds, whole or with a fraction; flags are `true` or `false`
/// (as text also `on`, `off`, `yes`, `no`, `1`, `0`).
///
/// ```
/// use omniq_postgres::settings::Settings;
///
/// let built = Settings::builder().url("postgresql://me@db/app").schema("jobs").pool_max(5).build()?;
/// let from_url = Settings::from_url("postgresql://me@db/app?schema=jobs&pool_max=5")?;
/// assert_eq!(built, from_url);
/// # Ok::<(), omniq_core::Error>(())
/// ```
///
/// `Debug` and `Display` leave passwords out. Serialization writes them, so that the settings can be read back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Given>")]
pub struct Settings {
    /// The database: a `postgresql://` URL or `key=value` pairs. Default: none, which is an error once a
    /// connection is needed. [`from_env`](Settings::from_env) takes `DATABASE_URL` then, or the server that `PG…` variables name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<DatabaseUrl>,
    /// The schema that holds the tables, 1 to 63 bytes. Default: `omniq`.
    pub schema: String,
    /// How many connections are kept open when idle. Default: 1; 0 keeps none.
    pub pool_min: usize,
    /// How many connections may be open at once, 1 to 10,000. Default: 10.
    pub pool_max: usize,
    /// How long a caller waits for a connection, one that becomes free or a new one, also if the server is away or takes no more
    /// connections, in seconds. Opening a queue, store or backend takes at least one attempt at each host, even if that takes longer.
    /// Default: 10.
    #[serde(serialize_with = "value::write_seconds")]
    pub acquire_timeout: Duration,
    /// How long one host may take to give a connection, log-in included, before the next one is tried, in seconds. Default: 10.
    #[serde(serialize_with = "value::write_seconds")]
    pub connect_timeout: Duration,
    /// After how long an idle connection above `pool_min` is closed, in seconds. Default: 600.
    #[serde(serialize_with = "value::write_seconds")]
    pub idle_timeout: Duration,
    /// Whether statements are prepared once and kept. Default: true; a pooler that hands out connections
    /// by transaction is detected, and then statements are not kept.
    pub statement_cache: bool,
    /// Whether connecting brings the schema up to the newest version. Default: true.
    pub migrate: bool,
    /// The name of the sessions in `pg_stat_activity`, at most 63 bytes. Default: `omniq`.
    pub application_name: String,
    /// The largest payload of a task, in bytes, up to 1,000,000,000. Default: 16 MiB.
    pub max_payload: usize,
    /// Whether completed tasks stay in the task table. Default: false; the result is the record of the task.
    pub keep_completed: bool,
    /// Whether a result keeps the arguments of its task. Default: false.
    pub keep_args: bool,
    /// How long completed tasks stay if `keep_completed` is on, in seconds, or `none` for no limit. Default: 604,800 (7 days).
    #[serde(serialize_with = "value::write_seconds_or_none")]
    pub completed_ttl: Option<Duration>,
    /// How long dead letters stay, in seconds, or `none` for no limit. Default: none.
    #[serde(serialize_with = "value::write_seconds_or_none")]
    pub dead_ttl: Option<Duration>,
    /// How long results are kept, in seconds, or `none` for no limit. Default: 604,800 (7 days).
    #[serde(serialize_with = "value::write_seconds_or_none")]
    pub result_ttl: Option<Duration>,
    /// How long events are kept, in seconds, or `none` for no limit. Default: 2,592,000 (30 days). They are removed a day at a time.
    #[serde(serialize_with = "value::write_seconds_or_none")]
    pub event_ttl: Option<Duration>,
    /// How long a worker's claim holds without a heartbeat, in seconds, at least 0.1. Default: 10.
    #[serde(serialize_with = "value::write_seconds")]
    pub lease: Duration,
    /// Where tasks are kept: `postgres` (the default), `memory`, or the URL of another database.
    pub tasks: Placement,
    /// Where results are kept: `postgres` (the default), `memory`, `off`, or the URL of another database.
    pub results: Placement,
    /// Where events are kept: `postgres`, `memory`, `off` (the default), or the URL of another database.
    pub events: Placement,
    /// Whether the `omniq` command, and applications in Python, may start a private server if no database is set. Default: true. The
    /// Rust library never starts one.
    pub embedded: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            schema: "omniq".into(),
            pool_min: 1,
            pool_max: 10,
            acquire_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            statement_cache: true,
            migrate: true,
            application_name: "omniq".into(),
            max_payload: 16 * 1024 * 1024,
            keep_completed: false,
            keep_args: false,
            completed_ttl: Some(Backend::RESULT_TTL),
            dead_ttl: None,
            result_ttl: Some(Backend::RESULT_TTL),
            event_ttl: Some(Backend::EVENT_TTL),
            lease: Duration::from_secs(10),
            tasks: Placement::Postgres,
            results: Placement::Postgres,
            events: Placement::Off,
            embedded: true,
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{url}")?,
            None => f.write_str("no database")?,
        }
        write!(
            f,
            " (schema {:?}, pool {} to {}, tasks {}, results {}, events {})",
            self.schema, self.pool_min, self.pool_max, self.tasks, self.results, self.events
        )
    }
}
