//! The options that make tasks unique, for `tasks enqueue` and `schedules save`.

use std::time::Duration;

use clap::Args;
use omniq::{OnConflict, Unique, Until};

use crate::span;

#[derive(Debug, Args)]
pub struct UniqueArgs {
    /// Make it unique: at most one unfinished task holds this key
    #[arg(long)]
    key: Option<String>,
    /// If another task holds the key: skip (do nothing), replace (change that task if it waits), reschedule (and its start), error
    #[arg(long, value_name = "POLICY", requires = "key", default_value = "skip")]
    on_conflict: OnConflict,
    /// How long a task holds the key: until its start, or its end [default: end; start with replace and reschedule]
    #[arg(long, value_name = "WHEN", requires = "key")]
    until: Option<Until>,
    /// Keep the key for this span from the enqueue on, whatever becomes of the task
    #[arg(long, value_name = "SPAN", requires = "key", value_parser = span::duration)]
    period: Option<Duration>,
    /// With reschedule: put the start off to this span after the first enqueue at most
    #[arg(long, value_name = "SPAN", requires = "key", value_parser = span::duration)]
    max_wait: Option<Duration>,
}

impl UniqueArgs {
    pub fn unique(&self) -> Option<Unique> {
        let mut unique = Unique::key(self.key.as_ref()?).on_conflict(self.on_conflict);
        (unique.until, unique.period, unique.max_wait) = (self.until, self.period, self.max_wait);
        Some(unique)
    }
}
