//! Settings by chained calls.

use std::time::Duration;

use omniq_core::Result;
use serde_json::Value;

use super::{Settings, Values};

/// Collects settings; [`build`](Self::build) reads and checks them all. [`Settings`] describes each.
///
/// The order of the calls does not matter: a setting made here wins over the same setting in the query part of the URL.
#[derive(Clone, Default)]
#[must_use]
pub struct Builder {
    values: Values,
}

macro_rules! setters {
    ($($name:ident: $type:ty => $value:expr;)*) => {
        $(
            #[doc = concat!("Sets [`", stringify!($name), "`](Settings::", stringify!($name), ").")]
            pub fn $name(self, $name: $type) -> Self {
                self.with(stringify!($name), $value)
            }
        )*
    };
}

impl Builder {
    setters! {
        url: impl Into<String> => url.into().into();
        schema: impl Into<String> => schema.into().into();
        pool_min: usize => pool_min.into();
        pool_max: usize => pool_max.into();
        acquire_timeout: Duration => acquire_timeout.as_secs_f64().into();
        connect_timeout: Duration => connect_timeout.as_secs_f64().into();
        idle_timeout: Duration => idle_timeout.as_secs_f64().into();
        statement_cache: bool => statement_cache.into();
        migrate: bool => migrate.into();
        application_name: impl Into<String> => application_name.into().into();
        max_payload: usize => max_payload.into();
        keep_completed: bool => keep_completed.into();
        keep_args: bool => keep_args.into();
        completed_ttl: impl Into<Option<Duration>> => completed_ttl.into().map(|time| time.as_secs_f64()).into();
        dead_ttl: impl Into<Option<Duration>> => dead_ttl.into().map(|time| time.as_secs_f64()).into();
        event_ttl: impl Into<Option<Duration>> => event_ttl.into().map(|time| time.as_secs_f64()).into();
        result_ttl: impl Into<Option<Duration>> => result_ttl.into().map(|time| time.as_secs_f64()).into();
        lease: Duration => lease.as_secs_f64().into();
        tasks: impl Into<String> => tasks.into().into();
        results: impl Into<String> => results.into().into();
        events: impl Into<String> => events.into().into();
        embedded: bool => embedded.into();
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// The settings, checked. Errors: `is_config`, naming the setting.
    pub fn build(self) -> Result<Settings> {
        Settings::from_values(&self.values)
    }

    /// Applies the settings made here to others, such as those of [`Settings::load`], and checks the result.
    /// Errors: `is_config`, naming the setting.
    pub fn build_over(self, mut base: Settings) -> Result<Settings> {
        base.apply(&self.values)?;
        base.check()?;
        Ok(base)
    }
}

impl Settings {
    /// Settings by chained calls: `Settings::builder().url("postgresql://…").pool_max(5).build()`.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
