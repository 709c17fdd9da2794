//! The identity of a queue's database on PostgreSQL, by which Python refuses connections to another database.

use pyo3::prelude::*;

/// The database of a queue, for which enqueue statements are made.
#[pyclass(frozen, eq, module = "omniq._omniq")]
#[derive(PartialEq, Clone)]
pub(crate) struct DatabaseId(pub(crate) omniq::port::DatabaseId);

#[pymethods]
impl DatabaseId {
    /// The database's name.
    #[getter]
    fn database(&self) -> &str {
        &self.0.database
    }

    /// The schema of the tables.
    #[getter]
    fn schema(&self) -> &str {
        &self.0.schema
    }
}
