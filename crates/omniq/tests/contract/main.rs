//! The contract's items as a user of the crate sees them, each shown on a real server and checked through a connection
//! of the test's own that OmniQ does not know. Tests are named after the item that they show.

#![allow(clippy::print_stdout, reason = "the figures that these tests give are shown with --no-capture")]

mod c04_parts;
mod c10_blocking;
mod c12_blocking;
mod c13_close;
mod c14_bad_input;
mod c14_ids;
mod c14_results;
mod c17_claims;
mod c18_callbacks;
mod c18_cancel;
mod c21_complete;
mod c21_drivers;
mod c21_inside;
mod c21_prepared;
mod c21_settle;
mod c21_sql;
mod c22_dependencies;
mod c23_wait_many;
mod c25_events;
mod c27_hostile;
mod c27_names;
mod c27_roles;
mod c28_at_once;
mod c28_migrations;
mod c29_connecting;
mod c29_from_pool;
mod c29_pool;
mod c29_pooler;
mod c29_sessions;
mod until_idle;
mod witness;

/// The entry of the child processes of these tests; alone it does nothing.
#[test]
fn process_entry() {
    omniq_testkit::enter(c28_at_once::connect_as_child);
}
