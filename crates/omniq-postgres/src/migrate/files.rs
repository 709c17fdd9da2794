//! The migration files, by part: a part that is not used is not made.

use std::fmt;

use crate::schema::{Schema, hash};

/// What the parts that are kept by time have in common.
const PARTITIONS: &str = include_str!("../../sql/migrations/partitions.sql");
/// What those have in common whose rows hold many tasks of one run.
const PLACES: &str = include_str!("../../sql/migrations/places.sql");

/// A part of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Tasks, workers and the functions to enqueue.
    Tasks,
    /// Results.
    Results,
    /// Events.
    Events,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Tasks, Self::Results, Self::Events];

    /// The name, as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Results => "results",
            Self::Events => "events",
        }
    }

    pub(super) const fn migrations(self) -> &'static [Migration] {
        match self {
            Self::Tasks => TASKS,
            Self::Results => RESULTS,
            Self::Events => EVENTS,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One numbered file.
#[derive(Debug)]
pub struct Migration {
    pub(super) version: i32,
    pub(super) name: &'static str,
    part: &'static str,
    file: &'static str,
}

impl Migration {
    /// What is to be run.
    pub(super) fn sql(&self, schema: &Schema) -> String {
        let table = if self.part == "results" { "result_segments" } else { self.part };
        let parts =
            [("{partitions}", PARTITIONS), ("{places}", PLACES), ("{kind}", self.part), ("{table}", table)];
        schema.fill(self.file, &parts)
    }

    /// Changes whenever the file does.
    pub(super) fn checksum(&self) -> String {
        format!("{:016x}", hash(&self.file.replace("{partitions}", PARTITIONS).replace("{places}", PLACES)))
    }
}

macro_rules! migrations {
    ($list:ident, $part:literal: $($version:literal $name:literal),*) => {
        const $list: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            part: $part,
            file: include_str!(concat!("../../sql/migrations/", $part, "/000", $version, "_", $name, ".sql")),
        }),*];
    };
}

migrations!(TASKS, "tasks": 1 "tasks", 2 "counts", 3 "complete", 4 "hand_over");
migrations!(RESULTS, "results": 1 "results");
migrations!(EVENTS, "events": 1 "events");
