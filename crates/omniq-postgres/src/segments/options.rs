//! The options of a task that most tasks leave at their defaults, as one JSON column.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::time::Duration;

use omniq_core::{After, Backoff, Callback, IfFailed, NewTask, OnConflict, Result, Unique, Until};
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
    /// Only on the way to the server, which keeps it in other tables.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<SentAfter>,
}

impl Options {
    /// Those that a task keeps: not what it runs after.
    pub(crate) fn of(task: &NewTask) -> Result<Self> {
        let NewTask { backoff, timeout, callbacks, unique, .. } = task;
        let key = task.unique_key()?;
        let unique = unique.as_ref().zip(key).map(|(unique, key)| StoredUnique::new(unique, key));
        Ok(Self {
            backoff: backoff.clone(),
            timeout: seconds(*timeout),
            callbacks: callbacks.clone(),
            unique,
            after: None,
        })
    }

    /// Those of a task as text; `None` if it has none.
    pub(crate) fn text(task: &NewTask) -> Result<Option<String>> {
        if Self::is_none(task) && task.after.is_none() {
            return Ok(None);
        }
        json(&Self { after: task.after.as_ref().map(SentAfter::new), ..Self::of(task)? }).map(Some)
    }

    fn is_none(task: &NewTask) -> bool {
        let NewTask { backoff, timeout, callbacks, unique, .. } = task;
        backoff.is_none() && timeout.is_none() && callbacks.is_empty() && unique.is_none()
    }

    /// Those of the tasks of one call as text. Of tasks that run after the same ones, only the first names them.
    pub(crate) fn texts(tasks: &[impl Borrow<NewTask>]) -> Result<Vec<Option<String>>> {
        let mut places: HashMap<&After, usize> = HashMap::new();
        let mut texts = Vec::with_capacity(tasks.len());
        for (place, task) in tasks.iter().map(Borrow::borrow).enumerate() {
            let Some(after) = &task.after else {
                texts.push(Self::text(task)?);
                continue;
            };
            let first = *places.entry(after).or_insert(place);
            let after = if first == place {
                SentAfter::new(after)
            } else {
                SentAfter { same_as: Some(first + 1), ..SentAfter::default() }
            };
            texts.push(Some(json(&Self { after: Some(after), ..Self::of(task)? })?));
        }
        Ok(texts)
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

/// The tasks after which a task runs: their ids, or the place, from 1 on, of the task of the call that runs after the same ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct SentAfter {
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_failed: Option<IfFailed>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    same_as: Option<usize>,
}

impl SentAfter {
    fn new(after: &After) -> Self {
        let tasks = after.tasks.iter().map(ToString::to_string).collect();
        Self { tasks: Some(tasks), if_failed: Some(after.if_failed), same_as: None }
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
