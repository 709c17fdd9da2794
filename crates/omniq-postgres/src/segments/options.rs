//! The options of a task that most tasks leave at their defaults, as one JSON column.

use std::time::Duration;

use omniq_core::{Backoff, Callback, NewTask, OnConflict, Result, Unique, Until};
use serde::{Deserialize, Serialize};

use crate::sql::{json, seconds};

/// Spans are seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Options {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backoff: Option<Backoff>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) callbacks: Vec<Callback>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unique: Option<StoredUnique>,
}

impl Options {
    /// Those of a task.
    pub(crate) fn of(task: &NewTask) -> Result<Self> {
        let NewTask { backoff, timeout, callbacks, unique, .. } = task;
        let key = task.unique_key()?;
        let unique = unique.as_ref().zip(key).map(|(unique, key)| StoredUnique::new(unique, key));
        Ok(Self {
            backoff: backoff.clone(),
            timeout: seconds(*timeout),
            callbacks: callbacks.clone(),
            unique,
        })
    }

    /// Those of a task as text; `None` if it has none.
    pub(crate) fn text(task: &NewTask) -> Result<Option<String>> {
        let NewTask { backoff, timeout, callbacks, unique, .. } = task;
        if backoff.is_none() && timeout.is_none() && callbacks.is_empty() && unique.is_none() {
            return Ok(None);
        }
        json(&Self::of(task)?).map(Some)
    }

    /// Gives a task what they say. A span that cannot be read means none.
    pub(crate) fn give(self, task: &mut NewTask) {
        let span = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        task.backoff = self.backoff;
        task.timeout = self.timeout.and_then(span);
        task.callbacks = self.callbacks;
        task.unique = self.unique.map(StoredUnique::read);
    }
}

/// A [`Unique`] whose key is text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredUnique {
    key: String,
    #[serde(default)]
    on_conflict: OnConflict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Until>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_wait: Option<f64>,
}

impl StoredUnique {
    fn new(unique: &Unique, key: String) -> Self {
        Self {
            key,
            on_conflict: unique.on_conflict,
            until: unique.until,
            period: seconds(unique.period),
            max_wait: seconds(unique.max_wait),
        }
    }

    pub(crate) fn read(self) -> Unique {
        let span =
            |seconds: Option<f64>| seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let mut unique = Unique::key(self.key).on_conflict(self.on_conflict);
        (unique.until, unique.period, unique.max_wait) = (self.until, span(self.period), span(self.max_wait));
        unique
    }
}
