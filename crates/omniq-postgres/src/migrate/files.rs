//! The migration files, by part: a part that is not used has no tables.

use std::fmt;

use crate::sql::schema::{Schema, hash};

/// The SQL that is shared by the parts with partitions by time.
const PARTITIONS: &str = include_str!("../../sql/migrations/partitions.sql");
/// The SQL that is shared by the parts whose rows are segments.
const SEGMENTS: &str = include_str!("../../sql/migrations/segments.sql");

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

    /// The name in the database and in messages.
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

/// One numbered step: files that are executed in this order.
#[derive(Debug)]
pub struct Migration {
    pub(super) version: i32,
    pub(super) name: &'static str,
    part: &'static str,
    files: &'static [&'static str],
}

impl Migration {
    /// The SQL text for this schema.
    pub(super) fn sql(&self, schema: &Schema) -> String {
        let table = if self.part == "results" { "result_segments" } else { self.part };
        schema.fill(&self.text(), &[("{kind}", self.part), ("{table}", table)])
    }

    /// Changes whenever one of its files does.
    pub(super) fn checksum(&self) -> String {
        format!("{:016x}", hash(&self.text()))
    }

    fn text(&self) -> String {
        self.files.join("\n").replace("{partitions}", PARTITIONS).replace("{segments}", SEGMENTS)
    }
}

macro_rules! migrations {
    ($list:ident, $part:literal: $($version:literal $name:literal [$($file:literal),*]),*) => {
        const $list: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            part: $part,
            files: &[$(include_str!(concat!("../../sql/migrations/", $part, "/000", $version, "/", $file, ".sql"))),*],
        }),*];
    };
}

migrations!(TASKS, "tasks": 1 "tasks" [
    "1_tables", "2_waking", "3_rules", "4_ids", "5_checks", "6_enqueue", "7_view", "8_counts", "9_complete", "10_hand_off"
]);
migrations!(RESULTS, "results": 1 "results" ["1_results"]);
migrations!(EVENTS, "events": 1 "events" ["1_events"]);
