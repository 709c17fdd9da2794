//! Sends calls that wait although a statement is in flight, if that takes long.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::EnqueueCoalescer;
use super::flush::Flush;
use crate::db::Db;

/// How long calls wait for a statement at most. It may hang in the network, or wait for an open transaction that has used the same id.
const PATIENCE: Duration = Duration::from_millis(250);

/// One timer for all statements, as long as calls wait: a timer for each would wake the thread that drives the timers each time.
pub(super) struct Overtake {
    coalescer: Arc<EnqueueCoalescer>,
    over: bool,
}

impl Overtake {
    pub(super) fn start(coalescer: &Arc<EnqueueCoalescer>, db: &Arc<Db>) {
        let overtake = Self { coalescer: Arc::clone(coalescer), over: false };
        tokio::spawn(overtake.keep(Arc::clone(db)));
    }

    async fn keep(mut self, db: Arc<Db>) {
        while let Some(end) = self.end() {
            sleep_until(end).await;
            let mut waiting = self.coalescer.lock();
            let now = Instant::now();
            waiting.in_flight.retain(|sent| now < sent.began + PATIENCE);
            let batch = if waiting.looking == 0 { self.coalescer.next_batch(&db, waiting) } else { None };
            if let Some(batch) = batch {
                Flush::start(&self.coalescer, &db, batch);
            }
        }
    }

    /// When the oldest statement will be overtaken. `None` if no call waits.
    fn end(&mut self) -> Option<Instant> {
        let mut waiting = self.coalescer.lock();
        let oldest = waiting.in_flight.first().filter(|_| !waiting.calls.is_empty());
        let end = oldest.map(|sent| sent.began + PATIENCE);
        if end.is_none() {
            waiting.timed = false;
            self.over = true;
        }
        end
    }
}

impl Drop for Overtake {
    fn drop(&mut self) {
        if !self.over {
            self.coalescer.lock().timed = false;
        }
    }
}
