//! The orders of a process of the load. They are passed in an environment variable; `worker.py` reads the same.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub const VARIABLE: &str = "OMNIQ_TEST_CHAOS_ORDERS";

/// How long claims hold without a heartbeat, in seconds. It is short, so that tasks of lost workers come back often.
pub const LEASE: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Producer,
    Worker,
    Python,
    Manager,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    pub role: Role,
    /// The name and life of the process: `rust-1#3`.
    pub who: String,
    pub seed: u64,
    /// The URL for OmniQ, perhaps through a pooler or a proxy.
    pub url: String,
    /// Another URL for OmniQ, for a second connection.
    pub other_url: String,
    /// The URL for the handlers' own connections: the server without a pooler or proxy.
    pub direct: String,
    pub history: PathBuf,
    pub lease: f64,
    /// The first number of its tasks. Each life of a process has numbers of its own.
    pub first: u64,
    /// For workers, in this order.
    pub queues: Vec<String>,
    pub payments: bool,
    /// For the manager: how many connections it uses.
    pub callers: u32,
    pub python: Option<PathBuf>,
    pub script: Option<PathBuf>,
}
