//! Where a queue on PostgreSQL is, so that Python refuses connections that lead elsewhere.

use pyo3::prelude::*;

/// The place of a queue, as a statement for it is made for.
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
