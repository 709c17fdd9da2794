//! A batch of the outbox: the ends of runs, each with its events, and the events of runs that go on.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

use super::entries::{End, OutboxEntry};
use crate::model::*;

/// Entries in the form in which they are written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Events of runs that go on.
    pub(super) events: Vec<TaskEvent>,
    pub(super) ended: Vec<Settlement>,
    /// Those of `ended` whose tasks the user's transaction may have completed.
    pub(super) completed_inside: HashSet<TaskId>,
    /// Answered once `events` are written.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    /// Events of a finished run are written with its settlement, before the final event, unless the user's transaction
    /// may have completed the task, since that settlement may be refused.
    pub(super) fn new(entries: impl Iterator<Item = OutboxEntry>) -> Self {
        let mut batch = Self::default();
        for entry in entries {
            match entry {
                OutboxEntry::Event(event) => batch.events.push(event),
                OutboxEntry::Flush(done) => batch.flushes.push(done),
                OutboxEntry::Ended(End { settlement, completed_inside })
                | OutboxEntry::Again(End { settlement, completed_inside }) => {
                    if completed_inside {
                        batch.completed_inside.insert(settlement.task_id);
                    }
                    batch.ended.push(*settlement);
                }
            }
        }
        if !batch.events.is_empty() && !batch.ended.is_empty() {
            batch.join();
        }
        batch
    }

    fn join(&mut self) {
        let indexes: HashMap<TaskId, usize> =
            self.ended.iter().enumerate().map(|(index, settlement)| (settlement.task_id, index)).collect();
        let mut own: HashMap<usize, Vec<TaskEvent>> = HashMap::new();
        for event in std::mem::take(&mut self.events) {
            match event
                .task_id
                .and_then(|id| indexes.get(&id).filter(|_| !self.completed_inside.contains(&id)))
            {
                Some(index) => own.entry(*index).or_default().push(event),
                None => self.events.push(event),
            }
        }
        for (index, mut events) in own {
            let settlement = &mut self.ended[index];
            events.append(&mut settlement.events);
            settlement.events = events;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), 1, jiff::Timestamp::now())
    }

    fn end(task: &Task) -> Box<Settlement> {
        let events = vec![TaskEvent::of(task, EventKind::Completed)];
        let (task_id, outcome) = (task.id, Outcome::Complete);
        Box::new(Settlement { events, ..Settlement::new(task_id, None, outcome) })
    }

    fn lives(events: &[TaskEvent]) -> Vec<(TaskId, EventKind)> {
        events.iter().map(|event| (event.task_id.unwrap(), event.kind.clone())).collect()
    }

    /// Issue 12, C15: the end of a task that the user's transaction has completed is refused, with all that it carries.
    #[test]
    fn events_are_written_with_the_end_of_their_run_unless_it_may_be_refused() {
        let (settled, inside, running) = (task(), task(), task());
        let started = |task| OutboxEntry::Event(TaskEvent::of(task, EventKind::Started));
        let entries = [
            started(&settled),
            started(&inside),
            OutboxEntry::Ended(End { settlement: end(&inside), completed_inside: true }),
            OutboxEntry::Ended(End { settlement: end(&settled), completed_inside: false }),
            started(&running),
        ];
        let batch = Batch::new(entries.into_iter());
        let before = [(inside.id, EventKind::Started), (running.id, EventKind::Started)];
        assert_eq!(lives(&batch.events), before);
        assert_eq!(lives(&batch.ended[0].events), [(inside.id, EventKind::Completed)]);
        let both = [(settled.id, EventKind::Started), (settled.id, EventKind::Completed)];
        assert_eq!(lives(&batch.ended[1].events), both);
    }
}
