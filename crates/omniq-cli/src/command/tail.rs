//! Following events. An event gets its number when it is written and becomes visible at commit, so a lower number can
//! appear after a higher one. Each read therefore starts at the first gap, until that gap is old enough to be
//! permanent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use omniq::{EventFilter, EventStorage, TaskEvent};

use super::events;
use crate::fail::Result;
use crate::output::Output;
use crate::record::EventRecord;

const PAUSE: Duration = Duration::from_millis(300);
/// A gap that is older than this is taken as permanent: its writer has rolled back, or the filter does not select its event.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far before the newest event a late one is still waited for at the start.
const REACH: i64 = 1000;
const PAGE: u32 = 1000;

pub async fn follow(store: &dyn EventStorage, filter: EventFilter, last: u32, out: &Output) -> Result<()> {
    let newest = store.query(&EventFilter { latest: true, limit: Some(1), ..EventFilter::default() }).await?;
    let newest = newest.first().map_or(0, |event| event.id);
    let mut seen = Seen::new((newest - REACH).max(0));
    if last > 0 {
        let recent = store.query(&EventFilter { latest: true, limit: Some(last), ..filter.clone() }).await?;
        show(&recent, out)?;
        for event in &recent {
            seen.is_new(event.id);
        }
    }
    // Events from before the start are not new.
    for event in look(store, &filter, &seen).await? {
        if event.id <= newest {
            seen.is_new(event.id);
        }
    }
    let mut away = false;
    loop {
        match look(store, &filter, &seen).await {
            Ok(events) => {
                away = false;
                let fresh: Vec<_> = events.into_iter().filter(|event| seen.is_new(event.id)).collect();
                show(&fresh, out)?;
                seen.advance(Instant::now());
            }
            Err(error) if error.is_transient() => {
                if !away {
                    out.note(format!("The database is away ({error}); waiting for it."));
                }
                away = true;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(store: &dyn EventStorage, filter: &EventFilter, seen: &Seen) -> omniq::Result<Vec<TaskEvent>> {
    let mut all = Vec::new();
    let mut filter = EventFilter { after: Some(seen.floor), limit: Some(PAGE), ..filter.clone() };
    loop {
        let page = store.query(&filter).await?;
        let whole = page.len() == PAGE as usize;
        filter.after = page.last().map_or(filter.after, |event| Some(event.id));
        all.extend(page);
        if !whole {
            return Ok(all);
        }
    }
}

fn show(events: &[TaskEvent], out: &Output) -> Result<()> {
    for event in events {
        if out.is_json() {
            out.json(&EventRecord::from(event))?;
        } else {
            out.line(events::line(event, out))?;
        }
    }
    Ok(())
}

/// The numbers that were seen: all up to `floor` (seen or given up), and single ones above it.
struct Seen {
    floor: i64,
    above: BTreeMap<i64, Instant>,
}

impl Seen {
    fn new(floor: i64) -> Self {
        Self { floor, above: BTreeMap::new() }
    }

    fn is_new(&mut self, id: i64) -> bool {
        if id <= self.floor || self.above.contains_key(&id) {
            return false;
        }
        self.above.insert(id, Instant::now());
        true
    }

    /// Raises the floor over numbers that have no gap before them, or only old gaps.
    fn advance(&mut self, now: Instant) {
        while let Some(next) = self.above.first_entry() {
            let (id, since) = (*next.key(), *next.get());
            if id != self.floor + 1 && now.duration_since(since) < PATIENCE {
                return;
            }
            next.remove();
            self.floor = id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_event_is_shown_once_and_an_old_gap_is_given_up() {
        let mut seen = Seen::new(0);
        let now = Instant::now();
        assert!(seen.is_new(1) && seen.is_new(3) && !seen.is_new(3));
        seen.advance(now);
        assert_eq!(seen.floor, 1);
        assert!(seen.is_new(2) && !seen.is_new(1));
        seen.advance(now);
        assert_eq!((seen.floor, seen.above.len()), (3, 0));
        assert!(seen.is_new(9));
        seen.advance(now);
        assert_eq!(seen.floor, 3);
        seen.advance(now + PATIENCE * 2);
        assert_eq!(seen.floor, 9);
        assert!(!seen.is_new(5));
    }
}
