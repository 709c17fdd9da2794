//! Adds to each task's record the verbs that concern it.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::act::{Act, Kind, Sure};
use super::record::{Asked, TaskRecord};
use crate::clock::Nanos;
use crate::history::{Answer, Call};

pub fn add(calls: &[Asked<'_>], by_id: &HashMap<Uuid, u64>, records: &mut BTreeMap<u64, TaskRecord<'_>>) {
    for asked in calls {
        let (answered, answer) = asked.answer.map_or((Nanos::MAX, None), |(at, answer)| (at, Some(answer)));
        let act = |kind, sure| Act { kind, asked: asked.at, answered, sure };
        let mut push = |id: &Uuid, act: Act| {
            if let Some(record) = by_id.get(id).and_then(|n| records.get_mut(n)) {
                record.acts.push(act);
            }
        };
        let (ids, kind) = match asked.call {
            Call::Cancel { ids } => (&**ids, Kind::Cancel),
            Call::Delete { ids } => (&**ids, Kind::Delete),
            Call::Retry { ids } => (&**ids, Kind::Retry),
            Call::Update { id, v } => (std::slice::from_ref(id), Kind::Update { v: *v }),
            Call::Purge { queue } => {
                let concerned = records.values_mut().filter(|record| record.spec.queue == *queue);
                for record in concerned.filter(|record| record.enqueues[0].asked < answered) {
                    let none = matches!(answer, Some(Answer::Count { count: 0 } | Answer::Refused { .. }));
                    record.acts.push(act(Kind::Purge, if none { Sure::No } else { Sure::Maybe }));
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
