//! The identity of a database, for statements that connections of the user execute.

/// A database with a schema of OmniQ, by the properties that distinguish it from any other that a connection may
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
}
