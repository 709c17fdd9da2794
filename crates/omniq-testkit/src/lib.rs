//! What the tests of all crates share. Not published.
//!
//! The server is the one that `OMNIQ_TEST_URL` names; without it, a shared private server is started on demand and
//! left running for the next test process (`scripts/test.sh` stops it). `OMNIQ_TEST_PG_BIN` chooses its programs.

mod database;
mod log;
mod pooler;
mod process;
mod proxy;
mod server;
mod wait;

pub use database::TestDb;
pub use log::Log;
pub use pooler::Pooler;
pub use process::{Process, argument, enter};
pub use proxy::Proxy;
pub use server::{FaultServer, fault_server, server_url};
pub use wait::{eventually, heavy};
