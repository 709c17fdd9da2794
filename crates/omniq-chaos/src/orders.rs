//! What a process of the load is told. It comes by an environment variable; `worker.py` reads the same.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The variable.
pub const VARIABLE: &str = "OMNIQ_CHAOS_ORDERS";

/// How long claims hold without a heartbeat, in seconds: short, so that what is lost comes back often.
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
    /// `rust-1#3`
    pub who: String,
    pub seed: u64,
    /// For OmniQ, perhaps through a pooler or a proxy.
    pub url: String,
    /// Another way for the same, for a second connection.
    pub other_url: String,
    /// For what the handlers do themselves: the server without anything between.
    pub direct: String,
    pub history: PathBuf,
    pub lease: f64,
    /// Numbers of tasks begin here: no other process has them.
    pub first: u64,
    /// For workers: in this order.
    pub queues: Vec<String>,
    pub payments: bool,
    /// For the manager: how many connections.
    pub callers: u32,
    pub python: Option<PathBuf>,
    pub script: Option<PathBuf>,
}
