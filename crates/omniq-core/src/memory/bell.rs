//! What wakes sleepers when something was added.

use std::time::Duration;

use tokio::sync::watch;

/// Rings for all that listen. A ring between listening and waiting is not lost.
#[derive(Debug)]
pub(super) struct Bell(watch::Sender<()>);

impl Bell {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(super) fn ring(&self) {
        self.0.send_replace(());
    }

    pub(super) fn listen(&self) -> Ear {
        Ear(self.0.subscribe())
    }
}

/// One sleeper's side of a [`Bell`].
pub(super) struct Ear(watch::Receiver<()>);

impl Ear {
    /// Until the next ring since the last wait, or the time is over.
    pub(super) async fn wait(&mut self, timeout: Duration) {
        let _ = tokio::time::timeout(timeout, self.0.changed()).await;
    }
}
