//! The migration files, by part: a part that is not used has no tables.

use std::fmt;

use super::effect::Effect;
use crate::sql::schema::{Schema, hash};

/// The SQL that is shared by the parts with partitions by time.
const PARTITIONS: &str = include_str!("../../sql/migrations/partitions.sql");
/// The SQL that is shared by the parts whose rows are segments.
const SEGMENTS: &str = include_str!("../../sql/migrations/segments.sql");

/// The SQL that is shared by the parts whose changes ring those who wait for the ends of tasks.
const ENDS: &str = include_str!("../../sql/migrations/ends.sql");

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
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One numbered step: files that are executed in this order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    pub(super) version: i32,
    pub(super) name: &'static str,
    pub(super) part: &'static str,
    pub(super) files: &'static [&'static str],
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

    /// Panics if the first file declares none; a test reads each.
    pub(super) fn effect(&self) -> Effect {
        let declared = Effect::declared(self.version, self.files.first().copied().unwrap_or_default());
        declared.unwrap_or_else(|wrong| panic!("migration {self}: {wrong}"))
    }

    fn text(&self) -> String {
        self.files
            .join("\n")
            .replace("{partitions}", PARTITIONS)
            .replace("{segments}", SEGMENTS)
            .replace("{ends}", ENDS)
    }
}

/// As in `0001_tasks of the tasks`.
impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}_{} of the {}", self.version, self.name, self.part)
    }
}

/// The migrations that a program knows, by part, each list in the order of the versions from 1. Given as an argument, so that tests can play
/// a later program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) tasks: &'static [Migration],
    pub(super) results: &'static [Migration],
    pub(super) events: &'static [Migration],
}

impl Known {
    pub(super) const fn of(&self, part: Part) -> &'static [Migration] {
        match part {
            Part::Tasks => self.tasks,
            Part::Results => self.results,
            Part::Events => self.events,
        }
    }

    /// The version of the program: that of the newest migration that it knows.
    pub(super) fn version(&self, part: Part) -> i32 {
        self.of(part).last().map_or(0, |migration| migration.version)
    }

    /// The migrations of these parts.
    pub(super) fn wanted(&self, parts: &[Part]) -> impl Iterator<Item = (Part, &'static Migration)> {
        parts.iter().flat_map(|part| self.of(*part).iter().map(|migration| (*part, migration)))
    }
}

macro_rules! migrations {
    ($part:literal: $($version:literal $name:literal [$($file:literal),*]),*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            part: $part,
            files: &[$(include_str!(concat!("../../sql/migrations/", $part, "/000", $version, "/", $file, ".sql"))),*],
        }),*]
    };
}

/// The migrations of this program.
pub(super) const KNOWN: Known = Known {
    tasks: migrations!("tasks": 1 "tasks" [
        "1_tables", "2_waking", "3_rules", "4_ids", "5_checks", "6_enqueue", "7_view", "8_counts", "9_settle_in_transaction", "10_hand_off",
        "11_unique", "12_keys", "13_dependencies", "14_advance"
    ], 2 "schedules" ["1_schedules"]),
    results: migrations!("results": 1 "results" ["1_results"]),
    events: migrations!("events": 1 "events" ["1_events"]),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_declares_what_it_does_to_older_programs() {
        let mut wrong = Vec::new();
        for part in Part::ALL {
            for (migration, version) in KNOWN.of(part).iter().zip(1..) {
                assert_eq!(migration.version, version, "{migration}: versions follow one another");
                if let Err(why) = Effect::declared(version, migration.files[0]) {
                    wrong.push(format!("migration {migration}: {why}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
