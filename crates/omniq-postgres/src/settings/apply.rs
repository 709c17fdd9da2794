//! Sets one field by its name. Files, URLs, environment variables and dicts all go through here.

use std::collections::BTreeMap;

use omniq_core::{Error, Result};
use serde_json::Value;

use super::given::Given;
use super::value::{flag, seconds, seconds_or_none, text, whole};
use super::{DatabaseUrl, Placement, Settings};

/// Settings by name, each a number, a flag or text; `null` or `"none"` stands for no limit.
pub type Values = BTreeMap<String, Value>;

/// The names of all settings.
pub(super) const NAMES: [&str; 22] = [
    "url",
    "schema",
    "pool_min",
    "pool_max",
    "acquire_timeout",
    "connect_timeout",
    "idle_timeout",
    "statement_cache",
    "migrate",
    "application_name",
    "max_payload",
    "keep_completed",
    "keep_args",
    "completed_ttl",
    "dead_ttl",
    "result_ttl",
    "event_ttl",
    "lease",
    "tasks",
    "results",
    "events",
    "embedded",
];

impl Settings {
    /// The defaults with these values applied, such as a dict or a JSON object. Errors: `is_config`, naming the setting.
    pub fn from_values(values: &Values) -> Result<Self> {
        let mut settings = Self::default();
        settings.apply(values)?;
        settings.check()?;
        Ok(settings)
    }

    /// Applies values to these settings; settings that they do not name stay.
    ///
    /// A setting that is given both by itself and in the query part of the `url` among the values takes the
    /// value that is given by itself. The settings are not checked as a whole before [`check`](Self::check).
    /// Errors: `is_config`, naming the setting; some of the values may have been applied by then.
    pub fn apply(&mut self, values: &Values) -> Result<()> {
        if let Some(url) = values.get("url") {
            self.set("url", url)?;
        }
        for (name, value) in values.iter().filter(|(name, _)| *name != "url") {
            self.set(name, value)?;
        }
        Ok(())
    }

    /// Sets one field by its name.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "url" => self.set_url(text(name, value)?.parse().map_err(|e: Error| e.context(name))?)?,
            "schema" => self.schema = text(name, value)?,
            "pool_min" => self.pool_min = whole(name, value)?,
            "pool_max" => self.pool_max = whole(name, value)?,
            "acquire_timeout" => self.acquire_timeout = seconds(name, value)?,
            "connect_timeout" => self.connect_timeout = seconds(name, value)?,
            "idle_timeout" => self.idle_timeout = seconds(name, value)?,
            "statement_cache" => self.statement_cache = flag(name, value)?,
            "migrate" => self.migrate = flag(name, value)?,
            "application_name" => self.application_name = text(name, value)?,
            "max_payload" => self.max_payload = whole(name, value)?,
            "keep_completed" => self.keep_completed = flag(name, value)?,
            "keep_args" => self.keep_args = flag(name, value)?,
            "completed_ttl" => self.completed_ttl = seconds_or_none(name, value)?,
            "dead_ttl" => self.dead_ttl = seconds_or_none(name, value)?,
            "result_ttl" => self.result_ttl = seconds_or_none(name, value)?,
            "event_ttl" => self.event_ttl = seconds_or_none(name, value)?,
            "lease" => self.lease = seconds(name, value)?,
            "tasks" => self.tasks = Placement::read(name, value)?,
            "results" => self.results = Placement::read(name, value)?,
            "events" => self.events = Placement::read(name, value)?,
            "embedded" => self.embedded = flag(name, value)?,
            _ => {
                let known = NAMES.join(", ");
                return Err(Error::config(format!("unknown setting {name:?}: known are {known}")));
            }
        }
        Ok(())
    }

    /// Moves OmniQ's settings in the URL into their fields.
    pub(super) fn set_url(&mut self, mut url: DatabaseUrl) -> Result<()> {
        for (name, value) in url.take_settings() {
            self.set(&name, &Value::from(value))?;
        }
        self.url = Some(url);
        Ok(())
    }

    /// These settings for another database, such as that of [`Placement::Url`]: what its URL sets wins, the rest
    /// stays. Errors: `is_config`, naming the setting.
    pub fn at(&self, url: &DatabaseUrl) -> Result<Self> {
        let mut settings = self.clone();
        settings.set_url(url.clone())?;
        settings.check()?;
        Ok(settings)
    }
}

impl TryFrom<BTreeMap<String, Given>> for Settings {
    type Error = Error;

    fn try_from(values: BTreeMap<String, Given>) -> Result<Self> {
        Self::from_values(&values.into_iter().map(|(name, given)| (name, given.0)).collect())
    }
}

impl TryFrom<Values> for Settings {
    type Error = Error;

    fn try_from(values: Values) -> Result<Self> {
        Self::from_values(&values)
    }
}
