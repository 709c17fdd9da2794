//! Wakes waiting calls when something was added.

use std::time::Duration;

use tokio::sync::watch;

/// Notifies all listeners. A notification between `listen` and `wait` is not lost.
#[derive(Debug)]
pub(super) struct Notifier(watch::Sender<()>);

impl Notifier {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(super) fn notify(&self) {
        self.0.send_replace(());
    }

    pub(super) fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// One listener of a [`Notifier`].
pub(super) struct Listener(watch::Receiver<()>);

impl Listener {
    /// Waits until the next notification since the last wait, or until the time is over.
    pub(super) async fn wait(&mut self, timeout: Duration) {
        let _ = tokio::time::timeout(timeout, self.0.changed()).await;
    }
}
