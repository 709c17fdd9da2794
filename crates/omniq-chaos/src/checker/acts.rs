//! The verbs that concern one task: what was asked, and whether it was done.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::story::{Asked, Story};
use crate::clock::Nanos;
use crate::history::{Answer, Call};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Cancel,
    Delete,
    Retry,
    Update { v: u64 },
    Purge,
}

/// Whether the verb was carried out, by its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    Done,
    Requested,
    /// Refused: nothing was done.
    No,
    /// Not answered, or answered with an error that leaves it open. A purge may have met the task or not.
    Maybe,
}

#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub kind: Kind,
    pub asked: Nanos,
    /// `Nanos::MAX` if it was never answered.
    pub answered: Nanos,
    pub sure: Sure,
}

impl Act {
    /// Whether it may have removed the task.
    pub fn may_remove(&self) -> bool {
        matches!(self.kind, Kind::Cancel | Kind::Delete | Kind::Purge) && self.sure != Sure::No
    }

    /// Whether it certainly removed the task while that was waiting.
    pub fn removed(&self) -> bool {
        matches!(self.kind, Kind::Cancel | Kind::Delete) && self.sure == Sure::Done
    }
}

pub fn add(calls: &[Asked<'_>], by_id: &HashMap<Uuid, u64>, stories: &mut BTreeMap<u64, Story<'_>>) {
    for asked in calls {
        let (answered, answer) = asked.answer.map_or((Nanos::MAX, None), |(at, answer)| (at, Some(answer)));
        let act = |kind, sure| Act { kind, asked: asked.at, answered, sure };
        let mut push = |id: &Uuid, act: Act| {
            if let Some(story) = by_id.get(id).and_then(|n| stories.get_mut(n)) {
                story.acts.push(act);
            }
        };
        let (ids, kind) = match asked.call {
            Call::Cancel { ids } => (&**ids, Kind::Cancel),
            Call::Delete { ids } => (&**ids, Kind::Delete),
            Call::Retry { ids } => (&**ids, Kind::Retry),
            Call::Update { id, v } => (std::slice::from_ref(id), Kind::Update { v: *v }),
            Call::Purge { queue } => {
                let concerned = stories.values_mut().filter(|story| story.spec.queue == *queue);
                for story in concerned.filter(|story| story.enqueues[0].asked < answered) {
                    let none = matches!(answer, Some(Answer::Count { count: 0 } | Answer::Refused { .. }));
                    story.acts.push(act(Kind::Purge, if none { Sure::No } else { Sure::Maybe }));
                }
                continue;
            }
            Call::Get { .. } | Call::Enqueue { .. } => continue,
        };
        for (place, id) in ids.iter().enumerate() {
            let sure = match answer {
                None | Some(Answer::Unknown { .. }) => Sure::Maybe,
                Some(Answer::Refused { .. }) => Sure::No,
                Some(Answer::Each { each }) => match each.get(place).map(String::as_str) {
                    Some("done") => Sure::Done,
                    Some("requested") => Sure::Requested,
                    _ => Sure::No,
                },
                Some(_) => Sure::Done,
            };
            push(id, act(kind, sure));
        }
    }
}
