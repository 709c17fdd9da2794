//! Waking: one connection that listens for notifications, and the subscriptions of idle workers.

mod listener;
mod subscription;

use std::sync::Arc;

use tokio::sync::Mutex;

use self::listener::Listener;
pub(crate) use self::listener::ListenerHandle;
use crate::db::Db;
use crate::handoff::Inboxes;

/// The listener of a queue, which starts at the first subscription.
#[derive(Debug)]
pub(crate) struct Wake {
    db: Arc<Db>,
    listener: Mutex<Option<Listener>>,
    pub(crate) inboxes: Inboxes,
}

impl Wake {
    pub(crate) fn new(db: &Arc<Db>) -> Self {
        Self { db: Arc::clone(db), listener: Mutex::new(None), inboxes: Inboxes::default() }
    }

    /// The handle of the listener, if it has been started.
    pub(crate) async fn handle(&self) -> Option<ListenerHandle> {
        self.listener.lock().await.as_ref().map(Listener::handle)
    }

    /// As [`handle`](Self::handle), without waiting. Also `None` while the listener is being started or stopped.
    pub(crate) fn try_handle(&self) -> Option<ListenerHandle> {
        self.listener.try_lock().ok()?.as_ref().map(Listener::handle)
    }

    /// Ends the listening connection and waits until it is closed.
    pub(crate) async fn stop(&self) {
        if let Some(listener) = self.listener.lock().await.take() {
            listener.stop().await;
        }
    }
}
