//! Which tasks a command acts on: those with the given ids, or all that match a filter.

use std::io::{self, Read};
use std::str::FromStr;

use clap::{ArgGroup, Args};
use omniq::{TaskFilter, TaskId};

use super::sure::Sure;
use super::which::Which;
use crate::fail::{Failure, Result};

const FILTERS: [&str; 7] = ["all", "queue", "state", "func", "error", "since", "until"];

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("chosen").required(true).multiple(true).args(["ids"]).args(FILTERS))]
pub struct Choice {
    /// The tasks' ids; - reads them from the standard input, with white space between
    #[arg(value_name = "ID", conflicts_with_all = FILTERS)]
    ids: Vec<Id>,
    #[command(flatten)]
    all: All,
}

/// All tasks that match a filter.
#[derive(Debug, Args)]
pub struct All {
    /// All tasks, or all that match the filter, however many there are
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub sure: Sure,
}

/// A filter alone, for commands that take no ids.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("chosen").required(true).multiple(true).args(FILTERS))]
pub struct ByFilter {
    #[command(flatten)]
    pub all: All,
}

/// What was chosen.
pub enum Chosen<'a> {
    Ids(Vec<TaskId>),
    All(TaskFilter, &'a Sure),
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

impl All {
    pub fn filter(&self) -> TaskFilter {
        self.which.filter()
    }
}

impl Choice {
    pub fn chosen(&self) -> Result<Chosen<'_>> {
        if self.ids.is_empty() {
            return Ok(Chosen::All(self.all.filter(), &self.all.sure));
        }
        if self.all.sure.is_given() {
            return Err(Failure::usage(
                "--yes and --dry-run are for tasks that a filter selects, not for ids",
            ));
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
        Ok(Chosen::Ids(ids))
    }
}
