//! What the suite of all implementations does not ask: how tasks, results and counts stand in rows, and what goes on beside a call.
//! One program, as each takes its time to build.

mod subscriptions;
mod beside;
mod concurrent;
mod counts;
mod few_connections;
mod hand_off;
mod old_snapshots;
mod partitions;
mod publication;
mod result_segments;
mod segments;
mod coalescing;
mod unreadable;
