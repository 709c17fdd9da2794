//! When writes begin, what they hold, and what each caller gets.

mod runtimes;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::{Error, Result};

const RULE: Rule =
    Rule { most: 10, most_bytes: 100, second_at: Some(5), beside_single: false, turns: 0, patience: None };

/// Keeps what it writes. Each write waits for a permit.
struct Kept {
    batches: Mutex<Vec<Vec<usize>>>,
    permits: Semaphore,
    begun: AtomicUsize,
    /// Items that are to be written again, once.
    again: Mutex<Vec<usize>>,
    panics: AtomicBool,
}

impl GroupWriter for Kept {
    type Item = usize;

    /// An item is as large as its number.
    fn bytes(&self, item: &usize) -> usize {
        *item
    }

    async fn write(&self, batch: Vec<usize>) -> Option<Again<usize>> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        assert!(!self.panics.load(Ordering::SeqCst), "a write fails");
        let (items, batch) = batch.into_iter().partition(|item| {
            let mut again = locked(&self.again);
            let found = again.iter().position(|known| known == item);
            found.map(|place| again.remove(place)).is_some()
        });
        locked(&self.batches).push(batch);
        let items: Vec<usize> = items;
        (!items.is_empty()).then_some(Again { items, pause: Duration::from_millis(20) })
    }
}

fn group(rule: Rule) -> Arc<GroupCommit<Kept>> {
    let kept = Kept {
        batches: Mutex::default(),
        permits: Semaphore::new(0),
        begun: AtomicUsize::new(0),
        again: Mutex::default(),
        panics: AtomicBool::new(false),
    };
    GroupCommit::new(kept, rule)
}

/// Lets everything that can go on go on.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn allow(group: &Arc<GroupCommit<Kept>>, writes: usize) {
    group.writer().permits.add_permits(writes);
    settle().await;
}

fn batches(group: &Arc<GroupCommit<Kept>>) -> Vec<Vec<usize>> {
    locked(&group.writer().batches).clone()
}

fn begun(group: &Arc<GroupCommit<Kept>>) -> usize {
    group.writer().begun.load(Ordering::SeqCst)
}

#[tokio::test]
async fn what_arrives_while_a_write_is_in_flight_is_written_by_the_next_one() {
    let group = group(RULE);
    group.add(1);
    settle().await;
    (2..=4).for_each(|item| group.add(item));
    settle().await;
    assert_eq!(begun(&group), 1, "three items wait for the write in flight");
    allow(&group, 2).await;
    assert_eq!(batches(&group), [vec![1], vec![2, 3, 4]]);
}

#[tokio::test]
async fn a_second_write_begins_for_enough_items_and_a_third_does_not() {
    let group = group(RULE);
    group.add(0);
    settle().await;
    (1..=5).for_each(|item| group.add(item));
    settle().await;
    assert_eq!(begun(&group), 2, "five items are enough");
    (6..=20).for_each(|item| group.add(item));
    settle().await;
    assert_eq!(begun(&group), 2);
    allow(&group, 10).await;
    let mut written = batches(&group).concat();
    written.sort_unstable();
    assert_eq!(written, (0..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_second_write_the_order_is_kept() {
    let group = group(Rule { second_at: None, ..RULE });
    (0..100).for_each(|item| group.add(item % 7));
    allow(&group, 100).await;
    assert_eq!(batches(&group).concat(), (0..100).map(|item| item % 7).collect::<Vec<_>>());
    assert!(batches(&group).iter().all(|batch| batch.len() <= RULE.most));
}

#[tokio::test]
async fn a_second_write_begins_beside_a_single_item_if_the_rule_says_so() {
    let group = group(Rule { beside_single: true, ..RULE });
    group.add(1);
    settle().await;
    group.add(2);
    settle().await;
    assert_eq!(begun(&group), 2);
    group.add(3);
    settle().await;
    assert_eq!(begun(&group), 2, "two writes are in flight");
}

#[tokio::test]
async fn a_write_takes_items_up_to_its_bytes_and_one_that_has_more_goes_alone() {
    let group = group(Rule { second_at: None, ..RULE });
    [50, 50, 1, 101, 2, 99, 1].into_iter().for_each(|item| group.add(item));
    allow(&group, 10).await;
    assert_eq!(batches(&group), [vec![50], vec![50, 1], vec![101], vec![2], vec![99, 1]]);
}

#[tokio::test]
async fn items_overtake_a_write_that_takes_too_long() {
    let group = group(Rule { patience: Some(Duration::from_millis(30)), ..RULE });
    group.add(1);
    settle().await;
    group.add(2);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(begun(&group), 2);
    allow(&group, 2).await;
    assert_eq!(batches(&group).len(), 2);
}

#[tokio::test]
async fn what_is_to_be_written_again_waits_and_delays_nothing_else() {
    let group = group(RULE);
    locked(&group.writer().again).push(2);
    (1..=3).for_each(|item| group.add(item));
    group.writer().permits.add_permits(4);
    tokio::time::sleep(Duration::from_millis(5)).await;
    group.add(4);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(batches(&group).concat(), [1, 3, 4, 2]);
}

#[tokio::test]
async fn after_a_panic_the_next_item_is_written() {
    let group = group(RULE);
    group.writer().panics.store(true, Ordering::SeqCst);
    group.add(1);
    allow(&group, 1).await;
    group.writer().panics.store(false, Ordering::SeqCst);
    group.add(2);
    allow(&group, 1).await;
    assert_eq!(batches(&group), [vec![2]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_item_is_written_once_however_many_threads_add() {
    for _ in 0..20 {
        let group =
            group(Rule { beside_single: true, patience: Some(Duration::from_millis(1)), turns: 8, ..RULE });
        group.writer().permits.add_permits(10_000);
        let adders: Vec<_> = (0..8)
            .map(|adder| {
                let group = Arc::clone(&group);
                tokio::spawn(async move {
                    for item in 0..200 {
                        group.add(adder * 200 + item);
                        if item % 10 == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for adder in adders {
            adder.await.unwrap();
        }
        let written = || batches(&group).iter().map(Vec::len).sum::<usize>();
        while written() < 1_600 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut all = batches(&group).concat();
        all.sort_unstable();
        assert_eq!(all, (0..1_600).collect::<Vec<_>>());
    }
}

/// Doubles numbers; refuses odd ones, and whole batches that hold one.
struct Doubles(AtomicBool);

impl CallWriter for Doubles {
    type Request = usize;
    type Answer = usize;

    const NAME: &'static str = "doubling";

    fn bytes(&self, _: &usize) -> usize {
        1
    }

    async fn send(&self, numbers: &[usize]) -> Result<Vec<usize>> {
        tokio::task::yield_now().await;
        if self.0.load(Ordering::SeqCst) {
            return Err(Error::unavailable("away"));
        }
        match numbers.iter().find(|number| *number % 2 == 1) {
            Some(odd) => Err(Error::invalid(format!("{odd} is odd"))),
            None => Ok(numbers.iter().map(|number| number * 2).collect()),
        }
    }

    fn may_be_of_one(&self, error: &Error) -> bool {
        error.is_invalid()
    }
}

#[tokio::test]
async fn each_caller_gets_its_own_answer_and_a_bad_request_fails_its_own_caller_only() {
    let calls = Calls::new(Doubles(AtomicBool::new(false)), RULE);
    let answers = futures_util::future::join_all((0..50).map(|number| calls.call(number))).await;
    for (number, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(double) => assert_eq!(double, number * 2),
            Err(error) => assert_eq!(error.message(), format!("{number} is odd")),
        }
    }
}

#[tokio::test]
async fn an_outage_fails_every_caller() {
    let calls = Calls::new(Doubles(AtomicBool::new(true)), RULE);
    let answers = futures_util::future::join_all((0..50).map(|number| calls.call(number))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(Error::is_unavailable)));
}

/// Keeps the number of calls in each write.
struct Sizes(Mutex<Vec<usize>>);

impl CallWriter for Arc<Sizes> {
    type Request = ();
    type Answer = ();

    const NAME: &'static str = "count";

    fn bytes(&self, (): &()) -> usize {
        1
    }

    async fn send(&self, calls: &[()]) -> Result<Vec<()>> {
        locked(&self.0).push(calls.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(calls.to_vec())
    }

    fn may_be_of_one(&self, _: &Error) -> bool {
        false
    }
}

/// Found by a hostile reader: half of the callers waited while the other half had their answers, and the halves took turns for ever.
#[tokio::test]
async fn callers_that_call_again_join_those_that_waited() {
    let sizes = Arc::new(Sizes(Mutex::default()));
    let rule = Rule { most: 100, second_at: None, turns: 8, ..RULE };
    let calls = Arc::new(Calls::new(Arc::clone(&sizes), rule));
    let half = || {
        (0..10).map(|_| {
            let calls = Arc::clone(&calls);
            tokio::spawn(async move {
                for _ in 0..10 {
                    calls.call(()).await.unwrap();
                }
            })
        })
    };
    let mut callers: Vec<_> = half().collect();
    // The lone first call is over, and the next nine are in flight.
    while locked(&sizes.0).len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    callers.extend(half());
    for caller in callers {
        caller.await.unwrap();
    }
    let sizes = locked(&sizes.0).clone();
    assert!(sizes.iter().filter(|size| **size == 20).count() >= 5, "{sizes:?}");
}
