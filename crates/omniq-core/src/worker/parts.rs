//! What a worker is made of: its settings, its backend, its handlers and its handle.

use std::time::Duration;

use super::stop::WorkerHandle;
use crate::backend::Backend;
use crate::handler::{Registry, States};
use crate::model::WorkerInfo;

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) backend: Backend,
    pub(super) registry: Registry,
    pub(super) states: States,
    pub(super) handle: WorkerHandle,
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
}

impl Parts {
    /// The worker's name.
    pub(super) fn name(&self) -> &str {
        &self.settings.info.name
    }
}
