//! The waits for the ends of tasks: their subscriptions, which the listening connection serves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use omniq_core::ends::EndListener;
use omniq_core::{EndSubscription, Rung, TaskId};
use uuid::Uuid;

use super::Wake;
use super::listener::ListenerHandle;
use crate::segments::base_id;

/// What a wait has of the tasks with one base id.
#[derive(Debug, Default)]
struct Base {
    tasks: usize,
    /// The listener was told.
    is_told: bool,
    /// Their ends ring.
    rings: bool,
}

#[derive(Debug)]
struct PostgresEnds {
    wake: Arc<Wake>,
    listener: Option<ListenerHandle>,
    ends: EndListener,
    bases: HashMap<Uuid, Base>,
}

impl Wake {
    /// A subscription to the ends of tasks; `None` behind a pooler, which gives no session that could listen.
    pub(crate) fn ends(self: &Arc<Self>) -> Option<Box<dyn EndSubscription>> {
        self.db.sessions.keeps().then(|| {
            Box::new(PostgresEnds {
                wake: Arc::clone(self),
                listener: self.try_handle(),
                ends: self.hub.ends.listen(),
                bases: HashMap::new(),
            }) as Box<dyn EndSubscription>
        })
    }
}

impl PostgresEnds {
    /// Counts the tasks. Returns those of their base ids whose tasks do not ring yet.
    fn listen_to(&mut self, ids: &[TaskId]) -> Vec<Uuid> {
        for id in self.ends.listen_to(ids) {
            self.bases.entry(base_id(id.as_uuid())).or_default().tasks += 1;
        }
        let bases: HashSet<Uuid> = ids.iter().map(|id| base_id(id.as_uuid())).collect();
        bases.into_iter().filter(|id| !self.bases.get(id).is_some_and(|base| base.rings)).collect()
    }

    fn told(&mut self, bases: &[Uuid]) {
        bases.iter().for_each(|id| self.bases.entry(*id).or_default().is_told = true);
    }

    fn all_ring(&mut self, bases: &[Uuid]) {
        bases.iter().for_each(|id| self.bases.entry(*id).or_default().rings = true);
    }
}

#[async_trait]
impl EndSubscription for PostgresEnds {
    fn add_at_once(&mut self, ids: &[TaskId]) -> bool {
        let silent = self.listen_to(ids);
        if silent.is_empty() {
            return true;
        }
        let told = silent.iter().any(|id| self.bases.get(id).is_some_and(|base| base.is_told));
        let Some(listener) = self.listener.as_ref().filter(|_| !told) else { return false };
        let rings = listener.wait_if_all_ring(&self.wake.hub, &silent);
        if rings {
            self.told(&silent);
            self.all_ring(&silent);
        }
        rings
    }

    async fn add(&mut self, ids: &[TaskId]) {
        let silent = self.listen_to(ids);
        if silent.is_empty() {
            return;
        }
        if self.listener.is_none() {
            // After close the next look fails.
            self.listener = self.wake.started().await.ok();
        }
        let Some(listener) = self.listener.clone() else { return };
        // A call that was dropped has told it already.
        let told = |id: &&Uuid| self.bases.get(id).is_some_and(|base| base.is_told);
        let again: Vec<Uuid> = silent.iter().filter(told).copied().collect();
        if !again.is_empty() {
            listener.end_waits(again);
        }
        self.told(&silent);
        listener.begin_waits(silent.clone()).await;
        self.all_ring(&silent);
    }

    fn remove(&mut self, ids: &[TaskId]) {
        let mut over = Vec::new();
        for id in self.ends.leave(ids) {
            let id = base_id(id.as_uuid());
            let Some(base) = self.bases.get_mut(&id) else { continue };
            base.tasks -= 1;
            if base.tasks == 0 && self.bases.remove(&id).is_some_and(|base| base.is_told) {
                over.push(id);
            }
        }
        if let (Some(listener), false) = (&self.listener, over.is_empty()) {
            listener.end_waits(over);
        }
    }

    async fn rung(&mut self) -> Rung {
        self.ends.next().await
    }

    fn rings(&self) -> bool {
        self.listener.as_ref().is_some_and(ListenerHandle::is_listening)
    }
}

impl Drop for PostgresEnds {
    fn drop(&mut self) {
        let told: Vec<Uuid> = self.bases.iter().filter(|(_, base)| base.is_told).map(|(id, _)| *id).collect();
        if let (Some(listener), false) = (&self.listener, told.is_empty()) {
            listener.end_waits(told);
        }
    }
}
