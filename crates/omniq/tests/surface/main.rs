//! The contract's items about the shape of the library: names, forms, and rules for all types. Tests are
//! named after the item that they show.

mod c01_names;
mod c02_backend;
mod c06_decoupled;
mod c07_async;
mod c09_twins;
mod c11_drop;
mod c30_logging;
mod c30_payloads;
mod promises;
mod versions;
