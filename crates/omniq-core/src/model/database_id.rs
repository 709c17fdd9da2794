//! The identity of a queue's database, for statements that connections of the user carry out.

use super::Limits;

/// The database of a queue on PostgreSQL, by the properties that distinguish it from any other that a connection may
/// lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseId {
    /// The database's name.
    pub database: String,
    /// When its server was started, in seconds since 1970, to the microsecond. No two servers share it, not even a
    /// server and its copy. It changes with a restart.
    pub server: String,
    /// The schema of the tables.
    pub schema: String,
    /// The limits that its tasks must keep.
    pub limits: Limits,
}
