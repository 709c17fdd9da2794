//! A private PostgreSQL server, started on demand for development and tests.
//!
//! The server programs are found on the machine ([`Programs::locate`]), the server runs in a data
//! folder of its own on a loopback port of its own, and the machine's own servers are never touched.
//!
//! ```no_run
//! use omniq_embedded::{Options, Server};
//!
//! let server = Server::start(Options::default())?;
//! println!("connect to {}", server.url());
//! # Ok::<(), omniq_embedded::Error>(())
//! ```
//!
//! With [`Lifetime::Shared`] (the default) the server outlives its starter and every process that
//! names the same data folder gets the same server. With [`Lifetime::Owned`] it ends with the starter,
//! also when the starter is killed.

mod account;
mod address;
mod cluster;
mod config;
mod error;
mod folder;
mod home;
mod launch;
mod options;
mod owner;
mod port;
mod process;
mod programs;
mod readable;
mod search;
mod server;
mod socket;

pub use error::{Error, Result};
pub use options::{Lifetime, Options, StopMode};
pub use programs::Programs;
pub use server::Server;
