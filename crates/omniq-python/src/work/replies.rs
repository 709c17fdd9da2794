//! ReplyQueue of runs, on their way back to the worker: all that are ready go in one step.

use std::mem::take;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use super::job::Ended;
use omniq::sync::locked;

/// Python's side puts answers in; a task of the runtime, woken once for all that are there, hands them on.
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

    /// Hands answers on, for ever.
    pub(crate) async fn deliver(self: Arc<Self>) {
        loop {
            self.notify.notified().await;
            let ready = take(&mut *locked(&self.ready));
            for (reply, ended) in ready {
                // Whoever waited for it is gone with the worker.
                let _ = reply.send(ended);
            }
        }
    }
}
