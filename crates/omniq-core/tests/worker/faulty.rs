//! The in-memory queue with faults that tests switch on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::layers::{MaintenanceLayer, QueueLayer, WorkerLayer};
use omniq_core::*;

type MakeError = fn(&str) -> Error;

/// Calls fail as often as requested; otherwise it behaves as the in-memory queue.
#[derive(Debug)]
pub(crate) struct FaultyQueue {
    pub(crate) inner: MemoryQueue,
    faults: Mutex<HashMap<&'static str, Vec<MakeError>>>,
    heart_stopped: Arc<AtomicBool>,
    deaf: AtomicBool,
    refused: Mutex<Option<TaskId>>,
    busy: Mutex<HashMap<TaskId, usize>>,
    undone: Mutex<Option<(TaskId, MakeError)>>,
    most: AtomicUsize,
    /// The calls in order, for tests.
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
}

impl FaultyQueue {
    pub(crate) fn new(inner: MemoryQueue) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            heart_stopped: Arc::default(),
            deaf: AtomicBool::default(),
            refused: Mutex::default(),
            busy: Mutex::default(),
            undone: Mutex::default(),
            most: AtomicUsize::new(usize::MAX),
            calls: Arc::default(),
        }
    }

    /// The next `times` calls of this verb fail without effect. The verb `settled` fails a settle after it was carried
    /// out, as a connection does that breaks during a commit.
    pub(crate) fn fail(&self, verb: &'static str, times: usize, error: MakeError) {
        self.faults.lock().unwrap().entry(verb).or_default().extend(vec![error; times]);
    }

    pub(crate) fn faults_left(&self, verb: &'static str) -> usize {
        self.faults.lock().unwrap().get(verb).map_or(0, Vec::len)
    }

    /// A settle in which this task completes is refused, for a reason that lies in the task.
    pub(crate) fn refuse_completion(&self, id: TaskId) {
        *self.refused.lock().unwrap() = Some(id);
    }

    /// From now on a settle of more tasks than this fails as one that the server rolled back.
    pub(crate) fn undo_settles_of_more_than(&self, most: usize) {
        self.most.store(most, Ordering::SeqCst);
    }

    /// From now on no notification arrives, not even when a task is due.
    pub(crate) fn deafen(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// The next `times` settlements of this task find its row locked by another session.
    pub(crate) fn hold(&self, id: TaskId, times: usize) {
        self.busy.lock().unwrap().insert(id, times);
    }

    /// From now on each settle that includes this task fails without effect; `None`: no longer.
    pub(crate) fn undo(&self, undone: Option<(TaskId, MakeError)>) {
        *self.undone.lock().unwrap() = undone;
    }

    fn is_held(&self, id: TaskId) -> bool {
        let mut busy = self.busy.lock().unwrap();
        let held = busy.get_mut(&id).filter(|times| **times > 0);
        held.map(|times| *times -= 1).is_some()
    }

    /// From now on no heartbeat succeeds (`true`), or all do again (`false`).
    pub(crate) fn stop_heart(&self, stopped: bool) {
        self.heart_stopped.store(stopped, Ordering::SeqCst);
    }

    fn check(&self, verb: &'static str) -> Result<()> {
        self.calls.lock().unwrap().push(verb.to_owned());
        // Not under the lock: a fault may be a panic.
        let fault = self.faults.lock().unwrap().get_mut(verb).and_then(Vec::pop);
        match fault {
            Some(make) => Err(make(&format!("{verb} fails for the test"))),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl QueueLayer for FaultyQueue {
    fn below(&self) -> &dyn TaskQueue {
        &self.inner
    }

    fn before(&self, verb: &'static str) -> Result<()> {
        self.check(verb)
    }

    async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        self.check("settle")?;
        let refused = *self.refused.lock().unwrap();
        if batch.iter().any(|one| Some(one.task_id) == refused && one.outcome == Outcome::Complete) {
            return Err(Error::invalid("this completion is refused for the test"));
        }
        let undone = *self.undone.lock().unwrap();
        if let Some((_, make)) = undone.filter(|(id, _)| batch.iter().any(|one| one.task_id == *id)) {
            return Err(make("the settle is undone for the test"));
        }
        if batch.len() > self.most.load(Ordering::SeqCst) {
            return Err(Error::timeout("undone for the test").with_sqlstate("57014"));
        }
        let held: Vec<bool> = batch.iter().map(|one| self.is_held(one.task_id)).collect();
        let free = batch.iter().zip(&held).filter(|(_, held)| !**held);
        let free: Vec<_> = free.map(|(one, _)| one.clone()).collect();
        let mut answered = self.inner.settle(&free, mode).await?.into_iter();
        let answers = held.iter().map(|held| if *held { Settled::Busy } else { answered.next().unwrap() });
        let answers = answers.collect();
        self.check("settled").map(|()| answers)
    }
}

#[async_trait]
impl WorkerLayer for FaultyQueue {
    fn below(&self) -> &dyn WorkerQueue {
        &self.inner
    }

    fn before(&self, verb: &'static str) -> Result<()> {
        self.check(verb)
    }

    async fn subscribe(&self, worker: WorkerId, queues: &[String]) -> Result<Box<dyn Subscription>> {
        self.check("subscribe")?;
        if self.deaf.load(Ordering::SeqCst) {
            Ok(Box::new(Deaf))
        } else {
            self.inner.subscribe(worker, queues).await
        }
    }

    fn heartbeat_connection(&self) -> Box<dyn HeartbeatConnection> {
        Box::new(FaultyHeartbeat(self.inner.heartbeat_connection(), Arc::clone(&self.heart_stopped)))
    }
}

#[async_trait]
impl MaintenanceLayer for FaultyQueue {
    fn below(&self) -> &dyn QueueMaintenance {
        &self.inner
    }

    fn before(&self, verb: &'static str) -> Result<()> {
        self.check(verb)
    }
}

struct FaultyHeartbeat(Box<dyn HeartbeatConnection>, Arc<AtomicBool>);

#[async_trait]
impl HeartbeatConnection for FaultyHeartbeat {
    async fn heartbeat(&mut self, worker: WorkerId, used: Option<u32>) -> Result<Heartbeat> {
        if self.1.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the heartbeat is cut off for the test"));
        }
        self.0.heartbeat(worker, used).await
    }
}

struct Deaf;

#[async_trait]
impl Subscription for Deaf {
    async fn wait(&mut self, timeout: Duration) {
        tokio::time::sleep(timeout).await;
    }
}
