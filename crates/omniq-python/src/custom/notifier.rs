//! Wakes idle workers of a custom queue within this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq::port::Subscription;
use tokio::sync::watch;

/// How often an idle worker polls: there is no notification of tasks from another process, nor of start times that are
/// reached.
const POLL: Duration = Duration::from_millis(100);

/// Notifies all subscriptions. A notification between subscribing and waiting is not lost.
#[derive(Debug, Clone)]
pub(crate) struct Notifier(Arc<watch::Sender<()>>);

impl Notifier {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }

    pub(crate) fn notify(&self) {
        self.0.send_replace(());
    }

    pub(super) fn listen(&self) -> Box<dyn Subscription> {
        Box::new(Listener(self.0.subscribe()))
    }
}

struct Listener(watch::Receiver<()>);

#[async_trait]
impl Subscription for Listener {
    async fn wait(&mut self, timeout: Duration) {
        let _ = tokio::time::timeout(timeout.min(POLL), self.0.changed()).await;
    }
}
