//! The guarantees of the queue when something breaks, shown with real processes on a real server.
//!
//! Tests are named after the item of the contract that they show.

#![allow(clippy::print_stdout, reason = "the figures that these tests give are shown with --no-capture")]
mod c16_claims;
mod c17_fenced;
mod c17_killed;
mod c17_paused;
mod c21_killed;
mod c22_ticks;
mod c29_away;
mod c29_restart;
mod c29_terminated;
mod c29_unsure;
mod effects;
mod event_order;
mod held_rows;
mod load;
mod roles;
mod short_delays;

/// The entry of the child processes of these tests; alone it does nothing.
#[test]
fn process_entry() {
    omniq_testkit::enter(roles::run);
}
