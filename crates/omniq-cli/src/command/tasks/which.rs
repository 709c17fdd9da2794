//! The filter of tasks, the same for all commands that take one.

use clap::Args;
use jiff::Timestamp;
use omniq::{TaskFilter, TaskState};

use crate::span;

#[derive(Debug, Args)]
pub struct Which {
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only in this state: blocked, scheduled, ready, running, dead or completed
    #[arg(long)]
    state: Option<TaskState>,
    /// Only of this function
    #[arg(long)]
    func: Option<String>,
    /// Only with a last error of this type, such as ValueError; net.* means all types that begin with net.
    #[arg(long, value_name = "TYPE")]
    error: Option<String>,
    /// Only enqueued since then: a span before now such as 10m, or a time
    #[arg(long, value_name = "TIME", value_parser = span::moment)]
    since: Option<Timestamp>,
    /// Only enqueued before then, in the same forms: 30d means more than 30 days ago
    #[arg(long, value_name = "TIME", value_parser = span::moment)]
    until: Option<Timestamp>,
}

impl Which {
    pub fn filter(&self) -> TaskFilter {
        TaskFilter {
            queue: self.queue.clone(),
            state: self.state,
            func: self.func.clone(),
            error: self.error.clone(),
            since: self.since,
            until: self.until,
            ..TaskFilter::default()
        }
    }
}
