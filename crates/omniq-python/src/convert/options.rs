//! What conversions may do.

/// How answers become Python objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convert {
    /// Whether payloads may be encoded and decoded by pickle and dill.
    pub(crate) allow_pickle: bool,
}
