//! What a worker is made of: its settings, its backend, its handlers, its stop and its counts.

use std::sync::Arc;
use std::time::Duration;

use super::stop::Stop;
use super::tally::Tally;
use super::together::Together;
use crate::backend::Backend;
use crate::handler::{Registry, States};
use crate::logging::LoggedErrors;
use crate::model::{Schedule, WorkerInfo};

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) backend: Backend,
    pub(super) registry: Registry,
    pub(super) states: States,
    pub(super) handle: Stop,
    pub(super) tally: Arc<Tally>,
    pub(super) together: Together,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) info: WorkerInfo,
    pub(super) concurrency: usize,
    pub(super) prefetch: usize,
    pub(super) prefetch_wait: Duration,
    pub(super) grace: Duration,
    pub(super) ends_process: bool,
    pub(super) maintenance: Duration,
    pub(super) poll: Duration,
    /// How often the log gets a summary.
    pub(super) summary: Duration,
    pub(super) log_errors: Option<LoggedErrors>,
    pub(super) max_tasks: Option<u64>,
    /// The application whose schedules these are; `None`: none are declared.
    pub(super) app: Option<String>,
    pub(super) schedules: Vec<Schedule>,
}

impl Parts {
    /// The worker's name.
    pub(super) fn name(&self) -> &str {
        &self.settings.info.name
    }
}
