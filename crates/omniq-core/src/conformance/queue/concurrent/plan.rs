//! The plan of a history: the tasks that exist at first, and what each connection does.

use proptest::prelude::*;

use super::stage::LANES;

/// Tasks that are enqueued together.
#[derive(Debug, Clone)]
pub struct Segment {
    /// How many.
    pub count: usize,
    /// Their priority.
    pub priority: i16,
    /// Whether they start far in the future.
    pub delayed: bool,
    /// Whether their time to live has ended when the history begins. Never if they are delayed.
    pub expiring: bool,
}

/// What a connection does. Tasks are named by their position among those that exist at first, modulo their number.
#[derive(Debug, Clone)]
pub enum Act {
    /// Claims up to this many tasks.
    Claim(u32),
    /// Settles some of the tasks that the connection has claimed.
    Settle {
        /// The outcomes, in turn, as numbers of `play::outcome`.
        outcomes: Vec<usize>,
        /// How many tasks.
        many: usize,
        /// Takes the first claims, which may be settled already, instead of the last ones.
        stale: bool,
        /// All or nothing.
        all: bool,
        /// In a transaction of the user, which commits (true) or rolls back.
        inside: Option<bool>,
    },
    /// Cancels tasks.
    Cancel(Vec<usize>),
    /// Removes tasks, all or none.
    Delete(Vec<usize>),
    /// Retries tasks, all or none.
    Retry(Vec<usize>),
    /// Gives a task another argument.
    Rewrite(usize),
    /// Gives a task another priority.
    Reorder(usize, i16),
    /// Sets the start time of a task to now.
    Due(usize),
    /// Reads a task.
    Get(usize),
    /// Lists all tasks.
    List,
    /// Removes all tasks of a state (its index in `TaskState::ALL`), or of any, that are not running.
    Purge(Option<usize>),
    /// Removes the same, a page at a time.
    DeleteAll(Option<usize>),
    /// Retries all tasks that are scheduled (true) or dead.
    RetryAll(bool),
    /// Cancels all tasks that wait, and asks for the stop of those that run.
    CancelAll,
    /// Adds this many tasks.
    Enqueue(usize),
    /// Expires the tasks whose time to live has ended, as maintenance does.
    Expire,
}

/// The plan of one history.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tasks that exist at first.
    pub segments: Vec<Segment>,
    /// What each connection does, one act after another.
    pub lanes: Vec<Vec<Act>>,
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let segments = prop::collection::vec(segment(), 1..=3);
    let lanes = prop::collection::vec(prop::collection::vec(act(), 4), LANES);
    // Two concurrent verbs are enough for most faults, so most histories are short, and there can be more of them.
    let width = prop_oneof![3 => Just(2), 2 => Just(3), 1 => 4..=LANES];
    let length = prop_oneof![3 => Just(1), 3 => Just(2), 1 => 3..=4_usize];
    let lengths = prop::collection::vec(length, LANES);
    (segments, lanes, width, lengths).prop_map(|(segments, mut lanes, width, lengths)| {
        lanes.truncate(width);
        for (lane, length) in lanes.iter_mut().zip(lengths) {
            lane.truncate(length);
            // Without a claim there is nothing to settle.
            if let Some(Act::Settle { .. }) = lane.first() {
                lane.insert(0, Act::Claim(6));
            }
        }
        Plan { segments, lanes }
    })
}

fn segment() -> impl Strategy<Value = Segment> {
    let count = prop_oneof![1 => Just(1), 3 => 2..=5_usize, 2 => 6..=20_usize, 1 => 21..=50_usize];
    (count, 0..=1_i16, prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(
        |(count, priority, delayed, expiring)| Segment {
            count,
            priority,
            delayed,
            expiring: expiring && !delayed,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    // Close to each other, so that they share segments.
    let place = || 0..60_usize;
    let inside = prop::option::weighted(0.4, prop::bool::weighted(0.7));
    let places = move || prop_oneof![2 => prop::collection::vec(place(), 1), 1 => prop::collection::vec(place(), 2..=8)];
    prop_oneof![
        4 => (1..=12_u32).prop_map(Act::Claim),
        6 => (prop::collection::vec(0..8_usize, 1..=3), 1..=8_usize, prop::bool::weighted(0.2), prop::bool::weighted(0.2), inside)
            .prop_map(|(outcomes, many, stale, all, inside)| Act::Settle { outcomes, many, stale, all, inside }),
        4 => places().prop_map(Act::Cancel),
        4 => places().prop_map(Act::Delete),
        3 => places().prop_map(Act::Retry),
        3 => place().prop_map(Act::Rewrite),
        1 => (place(), 0..=1_i16).prop_map(|(place, priority)| Act::Reorder(place, priority)),
        1 => place().prop_map(Act::Due),
        1 => place().prop_map(Act::Get),
        1 => Just(Act::List),
        1 => prop::option::of(0..5_usize).prop_map(Act::Purge),
        1 => prop::option::of(0..5_usize).prop_map(Act::DeleteAll),
        2 => prop::bool::weighted(0.3).prop_map(Act::RetryAll),
        1 => Just(Act::CancelAll),
        1 => (1..=6_usize).prop_map(Act::Enqueue),
        1 => Just(Act::Expire),
    ]
}
