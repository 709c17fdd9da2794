//! Waking: one connection that listens for notifications, the subscriptions of idle workers, and the waits for ends of tasks.

mod end_locks;
mod ends;
mod listener;
mod subscription;
mod waiting;

use std::sync::Arc;

use omniq_core::Result;
use tokio::sync::Mutex;

use self::ends::Hub;
use self::listener::Listener;
pub(crate) use self::listener::ListenerHandle;
use crate::db::Db;
use crate::handoff::Inboxes;

/// The listener of a database, which starts at the first subscription.
#[derive(Debug)]
pub(crate) struct Wake {
    db: Arc<Db>,
    listener: Mutex<Option<Listener>>,
    pub(crate) inboxes: Inboxes,
    hub: Hub,
}

impl Wake {
    pub(crate) fn new(db: &Arc<Db>) -> Self {
        Self {
            db: Arc::clone(db),
            listener: Mutex::new(None),
            inboxes: Inboxes::default(),
            hub: Hub::new(db),
        }
    }

    /// The handle of the listener, which is started if it was not. Error `is_closed` after close.
    async fn started(&self) -> Result<ListenerHandle> {
        let mut listener = self.listener.lock().await;
        self.db.check_open()?;
        Ok(self.running(&mut listener).handle())
    }

    /// The listener, which is started if it was not, or if it has ended with the runtime that it was started in.
    fn running<'a>(&self, listener: &'a mut Option<Listener>) -> &'a Listener {
        if listener.as_ref().is_some_and(Listener::has_ended) {
            *listener = None;
        }
        listener.get_or_insert_with(|| Listener::start(&self.db, self.inboxes.clone(), self.hub.clone()))
    }

    /// The handle of the listener, if it has been started.
    pub(crate) async fn handle(&self) -> Option<ListenerHandle> {
        self.listener.lock().await.as_ref().filter(|listener| !listener.has_ended()).map(Listener::handle)
    }

    /// As [`handle`](Self::handle), without waiting. Also `None` while the listener is being started or stopped.
    pub(crate) fn try_handle(&self) -> Option<ListenerHandle> {
        let listener = self.listener.try_lock().ok()?;
        listener.as_ref().filter(|listener| !listener.has_ended()).map(Listener::handle)
    }

    /// Ends the listening connection and waits until it is closed.
    pub(crate) async fn stop(&self) {
        if let Some(listener) = self.listener.lock().await.take() {
            listener.stop().await;
        }
        self.hub.look_all();
    }
}
