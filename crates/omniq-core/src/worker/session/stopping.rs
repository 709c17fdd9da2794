//! How far the stop of a session has come.

use tokio::time::Instant;

#[derive(Debug, Default, Clone, Copy)]
pub(super) enum Stopping {
    #[default]
    No,
    /// Runs may end by themselves until then; `None`: for ever.
    Grace(Option<Instant>),
    /// Runs were asked to stop, and are waited for until then.
    Cancelled(Instant),
    /// What still runs is left alone.
    GivenUp,
}

impl Stopping {
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self, Self::No)
    }

    /// Waits until the time of the present step is over.
    pub(super) async fn time_over(&self) {
        match *self {
            Self::Grace(Some(end)) | Self::Cancelled(end) => tokio::time::sleep_until(end).await,
            Self::No | Self::Grace(None) | Self::GivenUp => std::future::pending().await,
        }
    }
}
