//! Returns the answers of runs to the worker: all that are ready, in one step.

use std::mem::take;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use super::job::Ended;
use omniq::sync::locked;

/// Any thread pushes answers. A task of the runtime delivers them, woken once for all that are there.
#[derive(Default)]
pub(crate) struct ReplyQueue {
    ready: Mutex<Vec<(oneshot::Sender<Ended>, Ended)>>,
    notify: Notify,
}

impl ReplyQueue {
    pub(crate) fn push(&self, reply: oneshot::Sender<Ended>, ended: Ended) {
        let was_empty = {
            let mut ready = locked(&self.ready);
            ready.push((reply, ended));
            ready.len() == 1
        };
        if was_empty {
            self.notify.notify_one();
        }
    }

    /// Delivers answers until it is aborted.
    pub(crate) async fn deliver(self: Arc<Self>) {
        loop {
            self.notify.notified().await;
            let ready = take(&mut *locked(&self.ready));
            for (reply, ended) in ready {
                // Sending fails if the handler is gone, as at the worker's end.
                let _ = reply.send(ended);
            }
        }
    }
}
