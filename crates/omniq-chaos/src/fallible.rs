//! How operations of this program fail.

/// Every error ends the operation in which it happens, so its text is enough.
pub type Fallible<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
