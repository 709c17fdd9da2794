//! What the waits of a process for the ends of tasks share: who waits, and the transactions that may not ring.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use omniq_core::TaskId;
use omniq_core::ends::Ends;
use omniq_core::sync::locked;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::db::Db;
use crate::segments::base_id;
use crate::sql::Columns;

/// The shortest and the longest pause between two checks whether a transaction that may not ring has ended.
const WRITERS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// What a lock stands for: a base id, or all tasks.
pub(super) type Lock = Option<Uuid>;

/// Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(super) ends: Ends,
    /// Whether the lock for all tasks is held: then all ends ring.
    pub(super) rings_all: Arc<Mutex<bool>>,
    pending: Arc<Pending>,
    db: Weak<Db>,
}

/// Transactions that were writing when a lock was taken, and are not known to have ended, each with these locks. They may not ring, as they
/// may have looked for waits before.
#[derive(Debug, Default)]
struct Pending {
    state: Mutex<Watched>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Watched {
    locks: HashMap<String, HashSet<Lock>>,
    is_watched: bool,
}

impl Hub {
    pub(super) fn new(db: &Arc<Db>) -> Self {
        Self {
            ends: Ends::default(),
            rings_all: Arc::default(),
            pending: Arc::default(),
            db: Arc::downgrade(db),
        }
    }

    /// Takes a notification.
    pub(super) fn notified(&self, payload: &str) {
        self.ends.ring(ended(payload));
    }

    /// All waits look once more: notifications may have been missed.
    pub(super) fn look_all(&self) {
        self.ends.ring_perhaps(|_| true);
    }

    /// The waits for tasks with these base ids look once more.
    pub(super) fn look_at(&self, bases: &[Uuid]) {
        self.ends.ring_perhaps(|id| bases.contains(&base_id(id.as_uuid())));
    }

    /// Those who wait under these locks look once more when one of these transactions ends.
    pub(super) fn watch(&self, writers: Vec<String>, locks: &[Lock]) {
        let mut state = locked(&self.pending.state);
        for writer in writers {
            state.locks.entry(writer).or_default().extend(locks);
        }
        if state.locks.is_empty() {
            return;
        }
        if std::mem::replace(&mut state.is_watched, true) {
            self.pending.news.notify_one();
        } else {
            tokio::spawn(self.clone().look());
        }
    }

    /// These locks are released.
    pub(super) fn forget(&self, locks: &[Lock]) {
        locked(&self.pending.state).locks.retain(|_, of| {
            of.retain(|lock| !locks.contains(lock));
            !of.is_empty()
        });
    }

    /// The listener has ended, and with its runtime what it has spawned.
    pub(super) fn stop_watching(&self) {
        *locked(&self.pending.state) = Watched::default();
    }

    async fn look(self) {
        let mut pause = WRITERS.0;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(WRITERS.1),
                () = self.pending.news.notified() => {
                    pause = WRITERS.0;
                    continue;
                }
            }
            let db = self.db.upgrade().filter(|db| !db.is_closed());
            let asked: Vec<String> = {
                let mut state = locked(&self.pending.state);
                if db.is_none() || state.locks.is_empty() {
                    *state = Watched::default();
                    return;
                }
                state.locks.keys().cloned().collect()
            };
            let Some(db) = db.filter(|_| !self.ends.is_empty()) else { continue };
            let answer = db.one(&db.sql.writers, &[("ends", &true), ("transactions", &Some(&asked))]).await;
            // Without an answer the waits look.
            let left: HashSet<String> = answer
                .and_then(|row| Columns::new(&row).take::<Vec<String>>())
                .unwrap_or_default()
                .into_iter()
                .collect();
            let ended: HashSet<Lock> = {
                let mut state = locked(&self.pending.state);
                let over = asked.iter().filter(|writer| !left.contains(*writer));
                over.filter_map(|writer| state.locks.remove(writer)).flatten().collect()
            };
            if !ended.is_empty() {
                let covers = |id: TaskId| ended.contains(&Some(base_id(id.as_uuid())));
                self.ends.ring_perhaps(|id| ended.contains(&None) || covers(id));
            }
        }
    }
}

/// The tasks that a notification of the function `ring` names: a base id, then offsets in hexadecimal digits, some with a mask. What cannot
/// be read is skipped: every role may notify.
fn ended(payload: &str) -> impl Iterator<Item = TaskId> {
    let mut words = payload.split(' ');
    let base = words.next().and_then(|word| Uuid::parse_str(word).ok());
    let offsets = words.flat_map(|word| {
        let (low, mask) = word.split_once(':').unwrap_or((word, "1"));
        let low = u32::from_str_radix(low, 16).ok().filter(|low| *low <= 0xffff);
        let ones = mask.bytes().enumerate().filter(|(_, bit)| *bit == b'1');
        ones.filter_map(move |(index, _)| Some(u128::from(low?) + index as u128))
    });
    let ids = move |offset| {
        base.map(|base| TaskId::from(Uuid::from_u128(base_id(base).as_u128().wrapping_add(offset))))
    };
    offsets.filter_map(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_tasks_by_offset_and_by_mask() {
        let base = "01920000-0000-7000-8000-000000000000";
        let id = |end: &str| format!("01920000-0000-7000-8000-00000000{end}").parse::<TaskId>().unwrap();
        let named = |text: &str| ended(&format!("{base}{text}")).collect::<Vec<_>>();
        assert_eq!(named(" 0 ff:101"), [id("0000"), id("00ff"), id("0101")]);
        assert!(named("").is_empty() && named(" x 10000 :1 ").is_empty());
        assert_eq!(ended("no id 1").count(), 0);
    }
}
