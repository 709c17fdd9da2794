//! A worker under one lease: fetches tasks, starts executors for free slots, and watches for all that stops them.

mod cancels;
mod finish;
mod stopping;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use self::stopping::Stopping;
use super::completer::Completer;
use super::execute::Executors;
use super::fetch::{Fetched, Fetcher};
use super::handed_back::HandedBack;
use super::local_queue::LocalQueue;
use super::outage::{Outage, is_fatal};
use super::parts::Parts;
use super::prefetch::PrefetchEstimator;
use super::run_log::RunLog;
use super::stop::Phase;
use crate::Error;
use crate::backend::Report;
use crate::handler::Origin;
use crate::lease::{Lease, LeaseState};
use crate::model::*;
use crate::port::{Handoff, Subscription};
use crate::verbs::unreadable;

/// How a session ended.
pub(super) enum End {
    Stopped,
    LeaseLost,
    Failed(Error),
}

/// What outlives a lease.
pub(super) struct Lasting {
    wake: Arc<Notify>,
    local_queue: LocalQueue,
    prefetch: PrefetchEstimator,
    outage: Outage,
    funcs: Vec<String>,
}

impl Lasting {
    pub(super) fn new(worker: &Parts) -> Self {
        let wake = Arc::new(Notify::new());
        Self {
            local_queue: LocalQueue::new(worker.settings.concurrency, Arc::clone(&wake)),
            wake,
            prefetch: PrefetchEstimator::default(),
            outage: Outage::new("claiming tasks"),
            funcs: worker.registry.names(),
        }
    }
}

pub(super) struct Session<'a> {
    worker: &'a Parts,
    lease: Lease,
    completer: Completer,
    fetcher: Fetcher,
    handoff: Box<dyn Handoff>,
    stopping: Stopping,
    failed: Option<Error>,
    lasting: &'a mut Lasting,
    local_queue: LocalQueue,
    executors: Arc<Executors>,
    handed_back: Arc<HandedBack>,
    /// Tasks to be stopped that the present fetch may bring.
    cancelled: HashSet<CancelRequest>,
    /// Ends once nothing is left, and nothing is due within this time. `None`: never.
    until_idle: Option<Duration>,
    /// Whether the worker was idle when the present fetch began: if it brings nothing, nothing is left.
    was_idle: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        worker: &'a Parts,
        lasting: &'a mut Lasting,
        lease: Lease,
        until_idle: Option<Duration>,
    ) -> Self {
        let completer = Completer::new(worker.backend.clone(), lease.state(), Arc::clone(&lasting.wake));
        let origin = Origin {
            states: worker.states.clone(),
            worker: worker.name().into(),
            backend: worker.backend.clone(),
            outbox: completer.outbox.clone(),
        };
        let local_queue = lasting.local_queue.session(lease.term());
        lease.tell_used(local_queue.used_slots());
        let handed_back = Arc::new(HandedBack::new(worker.settings.info.lease));
        let executors = Executors {
            handed_back: Arc::clone(&handed_back),
            registry: worker.registry.clone(),
            origin: Arc::new(origin),
            times: lasting.prefetch.times(),
            local_queue: local_queue.clone(),
            tally: Arc::clone(&worker.tally),
            log: RunLog(worker.settings.log_errors),
        };
        let handoff = worker.backend.queue().handoff(lease.worker(), &lasting.funcs);
        Self {
            worker,
            lease,
            completer,
            fetcher: Fetcher::Idle,
            handoff,
            stopping: Stopping::default(),
            failed: None,
            lasting,
            local_queue,
            executors: Arc::new(executors),
            handed_back,
            cancelled: HashSet::new(),
            until_idle,
            was_idle: false,
        }
    }

    pub(super) async fn run(mut self) -> End {
        let mut lease = self.lease.state();
        let mut cancels = self.lease.cancel_signal();
        let mut phase = self.worker.handle.subscribe();
        let mut stale = tokio::time::interval(self.worker.settings.prefetch_wait);
        stale.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A stop before the subscription is no change to it.
            self.heed_stop().await;
            self.executors.start();
            self.fetch();
            if self.is_over() {
                return self.finish().await;
            }
            tokio::select! {
                () = lost(&mut lease) => return self.lose(),
                Ok(()) = cancels.changed() => self.stop_cancelled().await,
                Ok(()) = phase.changed() => {
                    let phase = *phase.borrow_and_update();
                    self.apply_phase(phase).await;
                }
                fetched = self.fetcher.next() => {
                    self.heed_stop().await;
                    if let Some(end) = self.fetched(fetched).await {
                        return end;
                    }
                }
                tasks = self.handoff.next() => {
                    self.heed_stop().await;
                    self.accept_handed_off(tasks).await;
                }
                () = self.completer.due_times.due() => self.fetcher.wake(),
                () = self.completer.failed() => return self.lose(),
                () = self.lasting.wake.notified() => self.fetch_if_idle(),
                () = self.stopping.time_over() => self.cancel_running(),
                () = others_rest(self.worker, self.stopping) => {}
                _ = stale.tick(), if self.local_queue.buffered() > 0 => self.release_stale().await,
            }
        }
    }

    /// Applies a stop that was asked for before what comes now, although its change was not seen yet: what a run hands back after
    /// it has asked for a stop is not begun once more.
    async fn heed_stop(&mut self) {
        let phase = self.worker.handle.phase();
        self.apply_phase(phase).await;
    }

    async fn fetched(&mut self, fetched: Fetched) -> Option<End> {
        match fetched {
            Fetched::Tasks(tasks) => {
                self.lasting.outage.over();
                self.accept(tasks).await;
            }
            Fetched::Nothing(subscription) if self.until_idle.is_some() && self.was_idle => {
                self.end_unless_due(subscription).await;
            }
            Fetched::Nothing(subscription) => {
                self.lasting.outage.over();
                self.cancelled.clear();
                self.fetcher = Fetcher::wait(subscription, self.worker.settings.poll);
                // The last run may have ended during the fetch.
                self.fetch_if_idle();
            }
            Fetched::Awake(subscription) => {
                self.fetcher = subscription.map_or(Fetcher::Idle, Fetcher::SubscribedIdle);
            }
            Fetched::Failed(error) if error.is_claim_lost() => return Some(self.lose()),
            Fetched::Failed(error) if is_fatal(&error) => {
                tracing::error!(%error, "the worker cannot go on and stops");
                self.failed = Some(error);
                self.apply_phase(Phase::Draining).await;
            }
            Fetched::Failed(error) => self.fetcher = Fetcher::pause(self.lasting.outage.failed(&error)),
        }
        None
    }

    /// With `until_idle`: ends the session of an idle worker, unless a task is due soon, which is waited for.
    async fn end_unless_due(&mut self, mut subscription: Box<dyn Subscription>) {
        let soon = self.until_idle.unwrap_or_default();
        let due = if soon.is_zero() { Ok(None) } else { subscription.next_due().await };
        match due {
            Ok(Some(due)) if due <= soon => {
                self.fetcher = Fetcher::wait(subscription, self.worker.settings.poll);
            }
            Ok(_) => self.apply_phase(Phase::Draining).await,
            Err(error) => self.fetcher = Fetcher::pause(self.lasting.outage.failed(&error)),
        }
    }

    /// With `until_idle`, ends the wait of an idle worker. A run has ended, or its end was written; tasks that this
    /// made ready send a notification.
    fn fetch_if_idle(&mut self) {
        if self.until_idle.is_some() && self.is_idle() {
            self.fetcher.wake();
        }
    }

    fn is_idle(&self) -> bool {
        self.local_queue.is_empty() && self.completer.outbox.all_written()
    }

    /// The lease is lost, and other workers may take the tasks: runs must stop, and are not settled.
    fn lose(&mut self) -> End {
        let count = self.local_queue.running() + self.local_queue.buffered();
        tracing::warn!(
            worker = self.worker.name(),
            count,
            "lease lost: tasks are stopped, the worker registers anew"
        );
        End::LeaseLost
    }
}

/// How it receives tasks, and returns those that were not begun.
impl Session<'_> {
    /// Fetches tasks if some are wanted: for each free slot, and ahead once half of what was prefetched is used up.
    pub(super) fn fetch(&mut self) {
        if !self.fetcher.is_idle() || self.stopping.has_begun() {
            return;
        }
        let settings = &self.worker.settings;
        let (free, buffered, busy) =
            (self.local_queue.free_slots(), self.local_queue.buffered(), self.local_queue.busy());
        let ahead = self.lasting.prefetch.tasks(busy, settings.concurrency, settings.prefetch);
        let wanted = (free + ahead).saturating_sub(buffered).min(Dequeue::MAX as usize);
        if wanted == 0 || (free == 0 && buffered > ahead / 2) {
            self.local_queue.wake_at(ahead / 2);
            return;
        }
        self.was_idle = self.is_idle();
        let request = Dequeue::from(settings.info.queues.iter().cloned())
            .limit(wanted as u32)
            .overfetch(ahead as u32)
            .resume()
            .funcs(self.lasting.funcs.iter().cloned());
        self.fetcher.fetch(Arc::clone(self.worker.backend.queue()), self.lease.worker(), request);
    }

    /// Accepts what a fetch has brought, except tasks that were cancelled meanwhile. During a stop all are released.
    pub(super) async fn accept(&mut self, tasks: Vec<Task>) {
        let tasks = self.settle_unreadable(tasks).await;
        let cancelled = std::mem::take(&mut self.cancelled);
        let (out, tasks) = if cancelled.is_empty() {
            (Vec::new(), tasks)
        } else {
            tasks.into_iter().partition(|task| cancelled.contains(&CancelRequest::of(task)))
        };
        if self.stopping.has_begun() {
            self.settle_unstarted(tasks, &Outcome::Release).await;
        } else {
            self.local_queue.add(tasks);
        }
        self.settle_unstarted(out, &Outcome::Cancel).await;
    }

    /// Begins what was handed off. Two hand-offs can come at once: tasks that have no free slot are released at once.
    pub(super) async fn accept_handed_off(&mut self, mut tasks: Vec<Task>) {
        let room = if self.stopping.has_begun() { 0 } else { self.local_queue.free_slots() };
        let rest = tasks.split_off(room.min(tasks.len()));
        self.local_queue.add(tasks);
        self.executors.start();
        if self.local_queue.free_slots() == 0 {
            // Ends the subscription, so that no more is handed off.
            self.fetcher.wake();
        }
        self.settle_unstarted(rest, &Outcome::Release).await;
    }

    /// Releases what is buffered if nothing was begun for a while: the runs in all slots are slower than estimated, and
    /// other workers may have free slots.
    pub(super) async fn release_stale(&mut self) {
        if self.local_queue.idle() >= self.worker.settings.prefetch_wait {
            tracing::debug!(
                count = self.local_queue.buffered(),
                "prefetched tasks are released: no slot became free"
            );
            self.release_buffered().await;
        }
    }

    pub(super) async fn release_buffered(&mut self) {
        self.settle_unstarted(self.local_queue.take_buffered(), &Outcome::Release).await;
    }

    /// Settles tasks that the storage cannot read as failed, and returns the others.
    async fn settle_unreadable(&mut self, tasks: Vec<Task>) -> Vec<Task> {
        if tasks.iter().all(|task| task.unreadable.is_none()) {
            return tasks;
        }
        let mut good = Vec::with_capacity(tasks.len());
        for task in tasks {
            match unreadable(&task) {
                Some(outcome) => self.settle_unstarted([task], &outcome).await,
                None => good.push(task),
            }
        }
        good
    }

    async fn settle_unstarted(&mut self, tasks: impl IntoIterator<Item = Task>, outcome: &Outcome) {
        for task in tasks {
            self.handed_back.add(&task, outcome);
            let report = Report { worker: Some(self.worker.name()), ..Report::new(&task, outcome.clone()) };
            self.completer.outbox.ended(self.worker.backend.record(report), false).await;
        }
    }
}

impl Drop for Session<'_> {
    /// There are runs only after the loss of the lease, or if the worker's future was dropped: its heartbeat ends with
    /// it.
    fn drop(&mut self) {
        self.local_queue.close();
    }
}

/// Waits until the lease is lost. It is lost as well if the heartbeat's thread has ended without reporting it.
async fn lost(lease: &mut watch::Receiver<LeaseState>) {
    let _ = lease.wait_for(|state| *state == LeaseState::Lost).await;
}

/// With runs that ignore the stop: waits until the others of the group have come as far.
async fn others_rest(worker: &Parts, stopping: Stopping) {
    match stopping {
        Stopping::GivenUp => worker.together.until_all_rest().await,
        _ => std::future::pending().await,
    }
}
