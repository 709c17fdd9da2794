//! A worker's lease: registered once, renewed by a heartbeat from its own thread, and given up by the worker itself if
//! it cannot be renewed, before other workers may take the tasks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::model::*;
use crate::port::HeartbeatConnection;
use crate::sync::locked;
use crate::{Error, Result};

/// The state of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The worker's claims hold.
    Held,
    /// Other workers may have the claims by now: runs under them must stop.
    Lost,
}

/// When a lease ends by this process's own clock. Cheap to clone.
///
/// A process that was suspended sees here at once that its lease is over. The heartbeat reports the loss only once its
/// thread runs again.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    epoch: Instant,
    /// Nanoseconds after `epoch`.
    end: Arc<AtomicU64>,
}

impl Term {
    /// The term of a lease whose last successful heartbeat was sent at `last_good`: it ends nine tenths of the lease
    /// later.
    pub(crate) fn new(last_good: Instant, lease: Duration) -> Self {
        let term = Self { epoch: last_good, end: Arc::default() };
        term.renew(last_good, lease);
        term
    }

    fn renew(&self, last_good: Instant, lease: Duration) {
        let end = last_good.saturating_duration_since(self.epoch) + lease * 9 / 10;
        self.end.store(u64::try_from(end.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn end(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.end.load(Ordering::Acquire))
    }

    /// Whether other workers may have the claims at this time.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.end()
    }
}

/// Tells how many slots of the worker are used.
type Used = Box<dyn Fn() -> u32 + Send>;

/// How many slots are used, by a function that each heartbeat calls. `None`: not known.
#[derive(Clone, Default)]
struct UsedSlots(Arc<StdMutex<Option<Used>>>);

impl UsedSlots {
    fn number(&self) -> Option<u32> {
        locked(&self.0).as_ref().map(|number| number())
    }
}

impl std::fmt::Debug for UsedSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UsedSlots").field(&self.number()).finish()
    }
}

/// A registered worker whose heartbeat runs in the background until this is stopped or dropped.
///
/// The heartbeat is sent three times per lease span, from a thread that no handler can hold up. If none succeeds for
/// nine tenths of the span, counted from when the last successful one was sent, the lease is lost: other workers may
/// take the tasks only once the whole span is over.
#[derive(Debug)]
pub struct Lease {
    worker: WorkerId,
    term: Term,
    state: watch::Receiver<LeaseState>,
    cancelled: Arc<StdMutex<HashSet<CancelRequest>>>,
    cancel_signal: watch::Receiver<u64>,
    used: UsedSlots,
    stop: Option<oneshot::Sender<()>>,
}

impl Lease {
    /// Keeps the lease of a worker that was registered by a call sent at `sent`. Error `is_internal` if the heartbeat's
    /// thread cannot start.
    pub(crate) fn keep(
        worker: WorkerId,
        span: Duration,
        sent: Instant,
        heartbeats: Box<dyn HeartbeatConnection>,
    ) -> Result<Self> {
        let (state_out, state) = watch::channel(LeaseState::Held);
        let (signal_out, cancel_signal) = watch::channel(0);
        let cancelled = Arc::new(StdMutex::new(HashSet::new()));
        let (stop, stopped) = oneshot::channel();
        let (term, used) = (Term::new(sent, span), UsedSlots::default());
        let keeper = Keeper {
            worker,
            lease: span,
            term: term.clone(),
            state: state_out,
            cancelled: Arc::clone(&cancelled),
            cancel_signal: signal_out,
            used: used.clone(),
        };
        std::thread::Builder::new()
            .name("omniq-heartbeat".to_owned())
            .spawn(move || keeper.run(heartbeats, stopped))
            .map_err(|error| Error::internal(format!("the heartbeat thread cannot start: {error}")))?;
        Ok(Self { worker, term, state, cancelled, cancel_signal, used, stop: Some(stop) })
    }

    /// The worker's id.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Whether the claims still hold. False once the heartbeat has ended for any reason, and once the term is over.
    pub fn is_held(&self) -> bool {
        *self.state.borrow() == LeaseState::Held
            && self.state.has_changed().is_ok()
            && !self.term.is_over(Instant::now())
    }

    /// When the claims end.
    pub(crate) fn term(&self) -> Term {
        self.term.clone()
    }

    /// A receiver whose value becomes [`LeaseState::Lost`] when the lease is lost. Its sender is dropped when the
    /// heartbeat ends.
    pub fn state(&self) -> watch::Receiver<LeaseState> {
        self.state.clone()
    }

    /// A receiver that changes whenever users have asked for tasks of this worker to be stopped. They are in
    /// [`take_cancelled`](Self::take_cancelled).
    pub fn cancel_signal(&self) -> watch::Receiver<u64> {
        self.cancel_signal.clone()
    }

    /// Takes the tasks to stop that were reported since the last call.
    pub fn take_cancelled(&self) -> HashSet<CancelRequest> {
        std::mem::take(&mut *locked(&self.cancelled))
    }

    /// Whether this task is to be stopped, by what was reported and not taken.
    pub(crate) fn is_cancelled(&self, task: &Task) -> bool {
        locked(&self.cancelled).contains(&CancelRequest::of(task))
    }

    /// Forgets what was reported of these tasks.
    pub(crate) fn forget_cancelled(&self, tasks: &[Task]) {
        let mut cancelled = locked(&self.cancelled);
        for task in tasks {
            cancelled.remove(&CancelRequest::of(task));
        }
    }

    /// Sets the function that tells how many of the worker's slots are used. Each heartbeat calls it and passes the number
    /// on, so it must not block.
    pub fn tell_used(&self, number: impl Fn() -> u32 + Send + 'static) {
        *locked(&self.used.0) = Some(Box::new(number));
    }

    /// Ends the heartbeat. The worker stays registered until it is removed or its lease ends.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// The heartbeat thread's side of a lease.
struct Keeper {
    worker: WorkerId,
    lease: Duration,
    term: Term,
    state: watch::Sender<LeaseState>,
    cancelled: Arc<StdMutex<HashSet<CancelRequest>>>,
    cancel_signal: watch::Sender<u64>,
    used: UsedSlots,
}

impl Keeper {
    fn run(self, heartbeats: Box<dyn HeartbeatConnection>, stopped: oneshot::Receiver<()>) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = self.beat(heartbeats) => {}
                    _ = stopped => {}
                }
            }),
            Err(error) => {
                tracing::error!(%error, "the heartbeat cannot start; the lease is given up");
                let _ = self.state.send(LeaseState::Lost);
            }
        }
    }

    async fn beat(&self, mut heartbeats: Box<dyn HeartbeatConnection>) {
        let mut pause = self.lease / 3;
        loop {
            let end = self.term.end();
            tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            let sent = Instant::now();
            // If the process was suspended, the term may be long over here.
            if sent >= end {
                break;
            }
            let beat = heartbeats.heartbeat(self.worker, self.used.number());
            match tokio::time::timeout_at(end.into(), beat).await {
                Ok(Ok(beat)) if !beat.alive => break,
                Ok(Ok(beat)) => {
                    self.term.renew(sent, self.lease);
                    pause = self.lease / 3;
                    self.note_cancelled(beat.cancelled);
                }
                Ok(Err(error)) => {
                    tracing::warn!(worker = %self.worker, %error, "heartbeat failed; will try again");
                    pause = (self.lease / 20).max(Duration::from_millis(20));
                }
                Err(_) => break,
            }
        }
        tracing::warn!(worker = %self.worker, "lease lost: its tasks are stopped and left to other workers");
        let _ = self.state.send(LeaseState::Lost);
    }

    fn note_cancelled(&self, requests: Vec<CancelRequest>) {
        if !requests.is_empty() {
            locked(&self.cancelled).extend(requests);
            self.cancel_signal.send_modify(|count| *count += 1);
        }
    }
}
