//! A worker under one lease: looks for tasks, begins what there are slots for, and listens to what would stop them.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use super::crew::Crew;
use super::feed::{Feed, Found};
use super::finish::Stopping;
use super::outage::{Outage, is_fatal};
use super::pace::Pace;
use super::running::Running;
use super::settler::Settler;
use super::slots::Slots;
use super::stock::Stock;
use super::{Phase, Worker};
use crate::Error;
use crate::handler::{Origin, StopReason};
use crate::lease::{Lease, LeaseState};
use crate::model::*;
use crate::port::Handover;

/// How a session ended.
pub(super) enum End {
    Stopped,
    LeaseLost,
    Failed(Error),
}

/// What outlives a lease. A blocking handler whose lease is lost keeps its slot until it returns.
pub(super) struct Lasting {
    pub(super) wake: Arc<Notify>,
    pub(super) slots: Slots,
    pub(super) pace: Pace,
    pub(super) outage: Outage,
    pub(super) funcs: Vec<String>,
}

impl Lasting {
    pub(super) fn new(worker: &Worker) -> Self {
        let wake = Arc::new(Notify::new());
        Self {
            slots: Slots::new(worker.settings.concurrency, Arc::clone(&wake)),
            wake,
            pace: Pace::default(),
            outage: Outage::new("claiming tasks"),
            funcs: worker.registry.names(),
        }
    }
}

pub(super) struct Session<'a> {
    pub(super) worker: &'a Worker,
    pub(super) lease: Lease,
    pub(super) settler: Settler,
    pub(super) running: Running,
    pub(super) feed: Feed,
    handover: Box<dyn Handover>,
    pub(super) stopping: Stopping,
    pub(super) failed: Option<Error>,
    pub(super) lasting: &'a mut Lasting,
    /// Claimed and not begun.
    pub(super) stock: Stock,
    pub(super) crew: Arc<Crew>,
    /// Tasks to be stopped that a look may be about to bring.
    pub(super) unwanted: HashSet<TaskId>,
    until_idle: bool,
    /// Whether all was quiet when the present look began: if it brings nothing, nothing is left.
    pub(super) quiet: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(worker: &'a Worker, lasting: &'a mut Lasting, lease: Lease, until_idle: bool) -> Self {
        let settler = Settler::start(worker.backend.clone(), lease.state(), Arc::clone(&lasting.wake));
        let origin = Origin {
            worker: worker.name().into(),
            backend: worker.backend.clone(),
            notes: settler.notes.clone(),
        };
        let (running, stock) = (Running::default(), Stock::new(Arc::clone(&lasting.wake), lease.term()));
        let crew = Crew {
            registry: worker.registry.clone(),
            origin: Arc::new(origin),
            runs: lasting.pace.runs(),
            running: running.clone(),
            stock: stock.clone(),
        };
        let handover = worker.backend.queue().handover(lease.worker(), &lasting.funcs);
        Self {
            worker,
            lease,
            settler,
            running,
            feed: Feed::Idle,
            handover,
            stopping: Stopping::default(),
            failed: None,
            lasting,
            stock,
            crew: Arc::new(crew),
            unwanted: HashSet::new(),
            until_idle,
            quiet: false,
        }
    }

    pub(super) async fn run(mut self) -> End {
        let mut lease = self.lease.state();
        let mut cancels = self.lease.cancel_signal();
        let mut phase = self.worker.handle.subscribe();
        let mut stocktaking = tokio::time::interval(self.worker.settings.prefetch_wait);
        stocktaking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A stop from before this subscription shows in no change.
        self.obey(self.worker.handle.phase()).await;
        loop {
            self.begin();
            self.look();
            if self.is_over() {
                return self.finish().await;
            }
            tokio::select! {
                () = lost(&mut lease) => return self.lose(),
                Ok(()) = cancels.changed() => self.stop_cancelled().await,
                Ok(()) = phase.changed() => {
                    let phase = *phase.borrow_and_update();
                    self.obey(phase).await;
                }
                found = self.feed.next() => {
                    if let Some(end) = self.found(found).await {
                        return end;
                    }
                }
                handed = self.handover.next() => self.take_handed(handed).await,
                () = self.settler.dues.due() => self.feed.wake(),
                () = self.lasting.wake.notified() => self.look_again(),
                () = self.stopping.time_over() => self.press(),
                _ = stocktaking.tick(), if !self.stock.is_empty() => self.hand_back_stale().await,
            }
        }
    }

    async fn found(&mut self, found: Found) -> Option<End> {
        match found {
            Found::Tasks(tasks) => {
                self.lasting.outage.over();
                self.take_in(tasks).await;
            }
            Found::Nothing(_) if self.until_idle && self.quiet => self.obey(Phase::Draining).await,
            Found::Nothing(bell) => {
                self.lasting.outage.over();
                self.unwanted.clear();
                self.feed = Feed::sleep_until_bell(bell, self.worker.settings.poll);
                // The last run may have ended during the look.
                self.look_again();
            }
            Found::Awake(bell) => self.feed = bell.map_or(Feed::Idle, Feed::Risen),
            Found::Failed(error) if error.is_claim_lost() => return Some(self.lose()),
            Found::Failed(error) if is_fatal(&error) => {
                tracing::error!(%error, "the worker cannot go on and stops");
                self.failed = Some(error);
                self.obey(Phase::Draining).await;
            }
            Found::Failed(error) => self.feed = Feed::pause(self.lasting.outage.failed(&error)),
        }
        None
    }

    /// A run has ended, or its end was written. What that made ready rings a bell; only the end of a burst is seen here.
    fn look_again(&mut self) {
        if self.until_idle && self.is_quiet() {
            self.feed.wake();
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.stock.is_empty() && self.running.is_empty() && self.settler.notes.all_written()
    }

    /// Others may take over what runs here: it must stop, unsettled.
    fn lose(&mut self) -> End {
        let count = self.running.len() + self.stock.len();
        tracing::warn!(
            worker = self.worker.name(),
            count,
            "lease lost: tasks are stopped, the worker registers anew"
        );
        End::LeaseLost
    }
}

impl Drop for Session<'_> {
    /// Reached with runs only after the loss of the lease, or when the worker's future was dropped: its heartbeat ends with it.
    fn drop(&mut self) {
        self.stock.close();
        self.running.stop_all(StopReason::LeaseLost);
    }
}

/// Lost, too, if the heartbeat's thread is gone without a word.
async fn lost(lease: &mut watch::Receiver<LeaseState>) {
    let _ = lease.wait_for(|state| *state == LeaseState::Lost).await;
}
