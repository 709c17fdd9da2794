//! Who waits for the ends of which tasks, within one process. Not part of the interface for users.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::model::TaskId;
use crate::port::{EndSubscription, Rung};
use crate::sync::locked;

#[cfg(feature = "conformance")]
static ONLY_RINGS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// For tests, whether rings come: from now on no wait of this process looks for results because of the time alone where ends ring.
#[cfg(feature = "conformance")]
pub fn rely_on_rings() {
    ONLY_RINGS.store(true, std::sync::atomic::Ordering::Relaxed);
}

pub(crate) fn relies_on_rings() -> bool {
    #[cfg(feature = "conformance")]
    return ONLY_RINGS.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(feature = "conformance"))]
    false
}

type Listeners = HashMap<TaskId, Vec<Arc<Bell>>>;

/// The listeners of each task. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ends(Arc<Mutex<Listeners>>);

/// What has rung for one listener and was not taken by it. It holds no task twice, however slow the listener is.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<Rung>,
    news: Notify,
}

impl Bell {
    fn ring(&self, id: TaskId, perhaps: bool) {
        let mut rung = locked(&self.rung);
        if perhaps {
            rung.perhaps.insert(id)
        } else {
            rung.ended.insert(id)
        };
        drop(rung);
        self.news.notify_one();
    }
}

impl Ends {
    fn lock(&self) -> MutexGuard<'_, Listeners> {
        locked(&self.0)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// These tasks have ended.
    pub fn ring(&self, ids: impl IntoIterator<Item = TaskId>) {
        let listeners = self.lock();
        if listeners.is_empty() {
            return;
        }
        for id in ids {
            listeners.get(&id).into_iter().flatten().for_each(|bell| bell.ring(id, false));
        }
    }

    /// Those of the tasks that are waited for may have ended.
    pub fn ring_perhaps(&self, which: impl Fn(TaskId) -> bool) {
        for (id, bells) in self.lock().iter().filter(|(id, _)| which(**id)) {
            bells.iter().for_each(|bell| bell.ring(*id, true));
        }
    }

    /// A listener to no tasks yet.
    pub fn listen(&self) -> EndListener {
        EndListener { ends: self.clone(), bell: Arc::default(), ids: HashSet::new() }
    }
}

/// A listener to the ends of some tasks, until it is dropped.
#[derive(Debug)]
pub struct EndListener {
    ends: Ends,
    bell: Arc<Bell>,
    ids: HashSet<TaskId>,
}

impl EndListener {
    /// Adds tasks. Returns those that are new.
    pub fn listen_to(&mut self, ids: &[TaskId]) -> Vec<TaskId> {
        let new: Vec<TaskId> = ids.iter().copied().filter(|id| self.ids.insert(*id)).collect();
        let mut listeners = self.ends.lock();
        for id in &new {
            listeners.entry(*id).or_default().push(Arc::clone(&self.bell));
        }
        new
    }

    /// Removes tasks. Returns those that were there.
    pub fn leave(&mut self, ids: &[TaskId]) -> Vec<TaskId> {
        let known: Vec<TaskId> = ids.iter().copied().filter(|id| self.ids.remove(id)).collect();
        self.forget(&known);
        known
    }

    /// The tasks that it listens to.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> {
        self.ids.iter().copied()
    }

    /// What has rung since the last call; waits until something has.
    pub async fn next(&self) -> Rung {
        loop {
            let news = self.bell.news.notified();
            let rung = std::mem::take(&mut *locked(&self.bell.rung));
            if !rung.ended.is_empty() || !rung.perhaps.is_empty() {
                return rung;
            }
            news.await;
        }
    }

    fn forget(&self, ids: &[TaskId]) {
        let mut listeners = self.ends.lock();
        for id in ids {
            if let Some(bells) = listeners.get_mut(id) {
                bells.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
                if bells.is_empty() {
                    listeners.remove(id);
                }
            }
        }
    }
}

impl Drop for EndListener {
    fn drop(&mut self) {
        self.forget(&self.ids().collect::<Vec<_>>());
    }
}

/// In a storage that rings in this process itself.
#[async_trait]
impl EndSubscription for EndListener {
    fn add_at_once(&mut self, ids: &[TaskId]) -> bool {
        self.listen_to(ids);
        true
    }

    async fn add(&mut self, ids: &[TaskId]) {
        self.listen_to(ids);
    }

    fn remove(&mut self, ids: &[TaskId]) {
        self.leave(ids);
    }

    async fn rung(&mut self) -> Rung {
        self.next().await
    }

    fn rings(&self) -> bool {
        true
    }
}
