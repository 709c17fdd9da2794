//! The clock of what is kept in memory, and of results and events: the system's; with the feature `testing` that of Tokio where
//! it is paused.

use jiff::Timestamp;

/// The present time.
#[cfg(not(feature = "testing"))]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The present time. Where Tokio's clock is paused, the time that has passed by that clock counts from the first call on.
#[cfg(feature = "testing")]
pub(crate) fn now() -> Timestamp {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| (Timestamp::now(), Instant::now()));
    let (wall, start) = *START;
    let before = Instant::now();
    let tokio = tokio::time::Instant::now().into_std();
    if before <= tokio && tokio <= Instant::now() {
        return Timestamp::now();
    }
    // The same at each call as long as the clock stands still.
    let paused = match tokio.checked_duration_since(start) {
        Some(later) => wall.checked_add(later),
        None => wall.checked_sub(start.duration_since(tokio)),
    };
    paused.unwrap_or(Timestamp::MAX)
}
