//! Checks the settings before anything is opened.

use std::time::Duration;

use omniq_core::{Error, Limits, Result};
use serde_json::Value;

use super::value::{allowed, refused, refused_span};
use super::{Placement, Settings, placement};

/// PostgreSQL truncates longer names silently.
const MAX_NAME: usize = 63;
/// More connections than any server takes; a pool reserves room for all of them.
const MAX_POOL: usize = 10_000;
/// A value of PostgreSQL has at most 1 GiB, of which a row needs a little for itself.
const MAX_PAYLOAD: usize = 1_000_000_000;
const MIN_LEASE: Duration = Duration::from_millis(100);
/// Beyond this, times overflow in the database.
const MAX_TIME: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
/// The settings that the URL of a part can change; the others belong to the whole backend.
const OF_A_PART: [&str; 9] = [
    "schema",
    "pool_min",
    "pool_max",
    "acquire_timeout",
    "connect_timeout",
    "idle_timeout",
    "statement_cache",
    "migrate",
    "application_name",
];

impl Settings {
    /// The limits of a queue's tasks.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.max_payload = self.max_payload;
        limits
    }

    /// Checks that each value is allowed, and that the values are consistent. Errors: `is_config`, naming the setting, its value and
    /// the allowed values.
    pub fn check(&self) -> Result<()> {
        self.check_fields()?;
        self.check_parts()
    }

    fn check_fields(&self) -> Result<()> {
        self.check_names()?;
        self.check_sizes()?;
        self.check_times()
    }

    fn check_names(&self) -> Result<()> {
        let schema = &self.schema;
        if schema.is_empty() || schema.len() > MAX_NAME || schema.contains('\0') {
            return Err(refused(
                "schema",
                &Value::from(schema.as_str()),
                "a name of 1 to 63 bytes, none of them NUL",
            ));
        }
        if schema.starts_with("pg_") {
            return Err(refused(
                "schema",
                &Value::from(schema.as_str()),
                "a name that does not begin with pg_, which the server keeps for itself",
            ));
        }
        let name = &self.application_name;
        if name.len() > MAX_NAME || name.contains('\0') {
            return Err(refused(
                "application_name",
                &Value::from(name.as_str()),
                "a name of at most 63 bytes, none of them NUL",
            ));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<()> {
        if !(1..=MAX_POOL).contains(&self.pool_max) {
            return Err(refused("pool_max", &Value::from(self.pool_max), allowed("pool_max")));
        }
        if self.pool_min > self.pool_max {
            let allowed = format!("{}, which is {}", allowed("pool_min"), self.pool_max);
            return Err(refused("pool_min", &Value::from(self.pool_min), &allowed));
        }
        if !(1..=MAX_PAYLOAD).contains(&self.max_payload) {
            return Err(refused("max_payload", &Value::from(self.max_payload), allowed("max_payload")));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<()> {
        let times = [
            ("acquire_timeout", Some(self.acquire_timeout)),
            ("connect_timeout", Some(self.connect_timeout)),
            ("idle_timeout", Some(self.idle_timeout)),
            ("completed_ttl", self.completed_ttl),
            ("dead_ttl", self.dead_ttl),
            ("result_ttl", self.result_ttl),
            ("event_ttl", self.event_ttl),
            ("lease", Some(self.lease)),
        ];
        for (name, time) in times {
            if time.is_some_and(|time| time.is_zero() || time > MAX_TIME) {
                return Err(refused_span(name, time.unwrap_or_default()));
            }
        }
        if self.lease < MIN_LEASE {
            return Err(refused_span("lease", self.lease));
        }
        Ok(())
    }

    fn check_parts(&self) -> Result<()> {
        if self.tasks == Placement::Off {
            return Err(refused("tasks", &Value::from("off"), placement::allowed("tasks")));
        }
        if let Some(name) = self.url.as_ref().and_then(|url| url.settings().next()) {
            return Err(Error::config(format!(
                "url holds {name}: set the field {name} instead, or let Settings::from_url read the URL"
            )));
        }
        for (part, name) in [(&self.tasks, "tasks"), (&self.results, "results"), (&self.events, "events")] {
            let Placement::Url(url) = part else { continue };
            if let Some(setting) = url.settings().find(|setting| !OF_A_PART.contains(setting)) {
                let allowed = OF_A_PART.join(", ");
                return Err(Error::config(format!("{name}: its URL cannot set {setting}, only {allowed}")));
            }
            let mut there = self.clone();
            there
                .set_url(url.clone())
                .and_then(|()| there.check_fields())
                .map_err(|error| error.context(name))?;
        }
        Ok(())
    }
}
