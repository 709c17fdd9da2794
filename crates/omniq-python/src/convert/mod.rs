//! Models, from Rust to Python and back. Python's classes are those of `omniq.models`.

pub(crate) mod after;
pub(crate) mod callback;
pub(crate) mod event;
pub(crate) mod fields;
pub(crate) mod filter;
pub(crate) mod imported;
pub(crate) mod json;
pub(crate) mod name;
pub(crate) mod new_task;
pub(crate) mod options;
pub(crate) mod payload;
pub(crate) mod refusal;
pub(crate) mod result;
pub(crate) mod schedule;
pub(crate) mod settlement;
pub(crate) mod small;
pub(crate) mod task;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod unique;
pub(crate) mod worker;
