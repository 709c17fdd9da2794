//! Tests beyond the suite of all implementations: how tasks, results and counts are stored in rows, and what happens beside a call.
//! One program, because each program takes time to build.

mod after_in_transaction;
mod beside;
mod columns;
mod concurrent;
mod counts;
mod dependencies;
mod few_connections;
mod group_commit;
mod group_commit_events;
mod hand_off;
mod old_snapshots;
mod partitions;
mod publication;
mod result_segments;
mod rings;
mod schedules;
mod segments;
mod subscriptions;
mod unique;
mod unreadable;
