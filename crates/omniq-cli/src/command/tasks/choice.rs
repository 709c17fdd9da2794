//! Which tasks a command acts on: those with the given ids, or all that match a filter.

use std::io::{self, Read};
use std::str::FromStr;

use clap::Args;
use omniq::backend::postgres::AsyncPostgresBackend;
use omniq::{TaskFilter, TaskId, TaskState};

use super::super::listing::PAGE;
use crate::fail::{Failure, Result};

#[derive(Debug, Args)]
pub struct Choice {
    /// The tasks' ids; - reads them from the standard input, with white space between
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<Id>,
    /// All tasks that match --queue, --func and --state, however many there are
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// With --all: only of this queue
    #[arg(long, requires = "all")]
    queue: Option<String>,
    /// With --all: only of this function
    #[arg(long, requires = "all")]
    func: Option<String>,
    /// With --all: only in this state [default: dead for retry; scheduled, ready and running for cancel]
    #[arg(long, requires = "all")]
    state: Option<TaskState>,
}

#[derive(Debug, Clone)]
enum Id {
    Given(TaskId),
    Input,
}

impl FromStr for Id {
    type Err = omniq::Error;

    fn from_str(text: &str) -> omniq::Result<Self> {
        if text == "-" { Ok(Self::Input) } else { text.parse().map(Self::Given) }
    }
}

impl Choice {
    /// The ids, or `None` with `--all`.
    pub fn ids(&self) -> Result<Option<Vec<TaskId>>> {
        if self.all {
            return Ok(None);
        }
        let mut ids = Vec::new();
        for id in &self.ids {
            match id {
                Id::Given(id) => ids.push(*id),
                Id::Input => {
                    let mut text = String::new();
                    io::stdin().lock().read_to_string(&mut text)?;
                    for word in text.split_whitespace() {
                        let id = word
                            .parse()
                            .map_err(|error| Failure::usage(format!("standard input: {error}")))?;
                        ids.push(id);
                    }
                }
            }
        }
        Ok(Some(ids))
    }

    /// The states to act on: the one given, which must be in `possible`, or else the first `usual` ones.
    pub fn states(&self, possible: &[TaskState], usual: usize) -> Result<Vec<TaskState>> {
        match self.state {
            None => Ok(possible[..usual].to_vec()),
            Some(state) if possible.contains(&state) => Ok(vec![state]),
            Some(state) => {
                let names: Vec<_> = possible.iter().map(|state| state.name()).collect();
                Err(Failure::usage(format!(
                    "--state {state} makes no sense here: give one of {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// Passes all tasks in these states to `act`, a page at a time. Within a state the pages go in the order of ids, so
    /// no task comes twice.
    pub async fn each_page(
        &self,
        backend: &AsyncPostgresBackend,
        states: &[TaskState],
        mut act: impl AsyncFnMut(Vec<TaskId>) -> Result<()>,
    ) -> Result<()> {
        for state in states {
            let mut filter = TaskFilter {
                queue: self.queue.clone(),
                func: self.func.clone(),
                state: Some(*state),
                after: None,
                limit: Some(PAGE),
            };
            loop {
                let tasks = backend.queue().list(&filter).await?;
                let Some(last) = tasks.last() else { break };
                filter.after = Some(last.id);
                let is_last = tasks.len() < PAGE as usize;
                act(tasks.into_iter().map(|task| task.id).collect()).await?;
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }
}
