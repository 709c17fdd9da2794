//! Where a queue is, for statements that connections of the user's own carry out.

use super::Limits;

/// The database of a queue on PostgreSQL, by what tells it from any other that a connection may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseId {
    /// The database's name.
    pub database: String,
    /// When its server was started, in seconds since 1970, to the microsecond: no two servers have it in common, not even a server
    /// and its copy. It is another one after a restart.
    pub server: String,
    /// The schema of the tables.
    pub schema: String,
    /// What its tasks must keep to.
    pub limits: Limits,
}
