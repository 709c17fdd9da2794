//! A statement for a transaction of the user.

use super::DatabaseId;

/// A statement that does its work in the transaction in which it is executed: `$1` is text, `$2` an array of bytes with
/// nulls.
///
/// It returns one row of two columns: the name of the database that the connection leads to, and an array of booleans;
/// null in its place if that is not the right database. Then nothing was done.
#[derive(Debug, Clone)]
pub struct TransactionStatement {
    /// The statement.
    pub sql: String,
    /// `$1`.
    pub record: String,
    /// `$2`.
    pub values: Vec<Option<Vec<u8>>>,
    /// The database that the connection must lead to.
    pub database: DatabaseId,
}
