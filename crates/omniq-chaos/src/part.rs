//! The parts of a run, each of which can be left out: faults and loads.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// SIGKILL to a process of the load; another takes its place
    Kill,
    /// SIGSTOP, then SIGCONT
    Stop,
    /// SIGTERM to a worker; another takes its place
    Term,
    /// pg_terminate_backend on a share of the sessions
    Terminate,
    /// pg_cancel_backend on a share of the sessions
    Cancel,
    /// The server is restarted in immediate mode
    Restart,
    /// A table is locked for some seconds
    Lock,
    /// A snapshot is held for some seconds
    Snapshot,
    /// VACUUM FULL of a table
    Vacuum,
    /// The pooler is killed and started again; without it, nothing goes through a pooler
    Pooler,
    /// The server's disk is full for some seconds (needs root)
    Disk,
    /// One worker's network is cut or stands still for some seconds
    Network,
    /// Management verbs on bulks by several connections at once
    Verbs,
    /// Payments in transactions of the handlers' own
    Payments,
    /// Workers in Python
    Python,
    /// The check of the order of events
    Events,
}

impl Part {
    pub const FAULTS: [Self; 12] = [
        Self::Kill,
        Self::Stop,
        Self::Term,
        Self::Terminate,
        Self::Cancel,
        Self::Restart,
        Self::Lock,
        Self::Snapshot,
        Self::Vacuum,
        Self::Pooler,
        Self::Disk,
        Self::Network,
    ];

    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
