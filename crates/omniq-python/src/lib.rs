//! The Python module `omniq._omniq`, the native part of the package `omniq`. Users import `omniq`.
//!
//! Every verb returns a `Pending`: a call that has not begun. An event loop awaits it, and a blocking class blocks on it, so
//! that both use the same verbs.

mod answer;
mod backend;
mod bridge;
mod command;
mod convert;
mod custom;
mod error;
mod events;
mod logging;
mod memory;
mod pending;
mod queue;
mod results;
mod runtime;
mod schedules;
mod server;
mod settings;
mod slot;
mod template;
mod transaction;
mod wait_many;
mod wake;
mod work;

use pyo3::prelude::*;

/// The native part of the package `omniq`.
#[pymodule]
mod _omniq {
    #[pymodule_export]
    use crate::backend::Backend;
    #[pymodule_export]
    use crate::bridge::Bridge;
    #[pymodule_export]
    use crate::command::command;
    #[pymodule_export]
    use crate::convert::callback::check_callback;
    #[pymodule_export]
    use crate::convert::schedule::check_schedule;
    #[pymodule_export]
    use crate::convert::small::check_backoff;
    #[pymodule_export]
    use crate::convert::unique::check_unique;
    #[pymodule_export]
    use crate::custom::Done;
    #[pymodule_export]
    use crate::events::Events;
    #[pymodule_export]
    use crate::logging::{log_fileno, log_level, log_level_from_env, set_log_level, take_log_records};
    #[pymodule_export]
    use crate::memory::Memory;
    #[pymodule_export]
    use crate::pending::Pending;
    #[pymodule_export]
    use crate::queue::Queue;
    #[pymodule_export]
    use crate::results::Results;
    #[pymodule_export]
    use crate::runtime::after_fork;
    #[pymodule_export]
    use crate::schedules::Schedules;
    #[pymodule_export]
    use crate::server::{drop_schema, embedded_url};
    #[pymodule_export]
    use crate::settings::Settings;
    #[pymodule_export]
    use crate::template::Template;
    #[pymodule_export]
    use crate::transaction::NewTasks;
    #[pymodule_export]
    use crate::wait_many::WaitMany;
    #[pymodule_export]
    use crate::work::Worker;
    #[pymodule_export]
    use crate::work::run::RunHandle;
    #[pymodule_export]
    use crate::work::run_queue::{RunQueue, StopSignal};
    #[pymodule_export]
    use crate::work::signals::Signals;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::logging::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        // For a task that did not complete, Python has `TaskFailed`, with the task's result, in place of this kind of error.
        let kinds: Vec<_> = omniq::Error::KINDS.iter().filter(|kind| **kind != "task_failed").collect();
        module.add("ERROR_KINDS", kinds)
    }
}
