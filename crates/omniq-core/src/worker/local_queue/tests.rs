//! The local queue: slots, sessions, cancels, and the wake of the session.

use std::sync::LazyLock;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::super::completer::Completer;
use super::*;
use crate::handler::{Origin, States};
use crate::lease::LeaseState;
use crate::model::NewTask;
use crate::{Backend, MemoryQueue};

fn task() -> Task {
    Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), 1, jiff::Timestamp::now())
}

fn term(lease: Duration) -> Term {
    Term::new(Instant::now(), lease)
}

fn long() -> Term {
    term(Duration::from_secs(3600))
}

/// The completer needs one, also in tests that are not asynchronous.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Makes contexts, as the executors do.
fn starter() -> impl Fn(Task) -> Option<(Context, ())> {
    let backend = Backend::new(Arc::new(MemoryQueue::new()));
    let _inside = RUNTIME.enter();
    let (_, lease) = watch::channel(LeaseState::Held);
    let outbox = Completer::new(backend.clone(), lease, Arc::default()).outbox.clone();
    let origin = Arc::new(Origin { states: States::default(), worker: "w".into(), backend, outbox });
    move |task| Some((Context::new(task, Arc::clone(&origin)), ()))
}

#[test]
fn no_more_runs_than_slots() {
    let queue = LocalQueue::new(1, Arc::default()).session(long());
    let start = starter();
    queue.add(vec![task(), task()]);
    let (slot, entry, ..) = queue.begin(&start).expect("a slot is free");
    assert_eq!((queue.free_slots(), queue.buffered(), queue.running()), (0, 1, 1));
    assert!(queue.begin(&start).is_none(), "the only slot is used");
    drop(entry);
    assert_eq!(queue.free_slots(), 0, "the slot is used until the executor drops it");
    let next = queue.next(&start).expect("the executor takes the next task in its slot");
    assert_eq!((queue.buffered(), queue.running()), (0, 1));
    drop((slot, next));
    assert!(queue.is_empty() && queue.free_slots() == 1);
}

#[test]
fn nothing_is_begun_once_the_lease_is_over() {
    let queue = LocalQueue::new(1, Arc::default()).session(term(Duration::ZERO));
    queue.add(vec![task()]);
    assert!(queue.begin(starter()).is_none());
    assert_eq!((queue.buffered(), queue.free_slots()), (1, 1), "the task stays, to be released");
}

/// A run of a lost session keeps its slot, but belongs to no session: the next one may run the same task.
#[test]
fn a_run_of_an_earlier_session_does_not_end_that_of_a_later_one() {
    let first = LocalQueue::new(2, Arc::default()).session(long());
    let (start, same) = (starter(), task());
    first.add(vec![same.clone(), task()]);
    let (_slot, old, context, ()) = first.begin(&start).expect("a slot is free");
    first.close();
    assert_eq!(context.stop_reason(), Some(StopReason::LeaseLost));
    assert_eq!((first.buffered(), first.running()), (0, 0));

    let second = first.session(long());
    first.close();
    second.add(vec![same]);
    let (_slot, _entry, again, ()) = second.begin(&start).expect("the end of the first changes nothing");
    drop(old);
    assert_eq!(second.running(), 1);
    assert_eq!(again.stop_reason(), None);
    assert!(first.begin(&start).is_none());
}

#[test]
fn a_cancel_takes_out_what_waits_signals_what_runs_and_returns_the_rest() {
    let queue = LocalQueue::new(1, Arc::default()).session(long());
    let (running, waiting, other) = (task(), task(), task());
    let unknown = CancelRequest::of(&task());
    // An earlier task with the id of one that waits.
    let earlier = CancelRequest { seq: other.seq - 1, ..CancelRequest::of(&other) };
    queue.add(vec![running.clone(), waiting.clone(), other.clone()]);
    let (_slot, _entry, context, ()) = queue.begin(starter()).expect("a slot is free");
    let (out, rest) = queue.cancel(HashSet::from([
        CancelRequest::of(&running),
        CancelRequest::of(&waiting),
        unknown,
        earlier,
    ]));
    assert_eq!(out.iter().map(|task| task.id).collect::<Vec<_>>(), [waiting.id]);
    assert_eq!(rest, HashSet::from([unknown, earlier]));
    assert_eq!(context.stop_reason(), Some(StopReason::Cancelled));
    assert_eq!(queue.take_buffered().iter().map(|task| task.id).collect::<Vec<_>>(), [other.id]);
}

#[tokio::test]
async fn the_session_is_woken_once_when_few_are_left() {
    let wake = Arc::new(Notify::new());
    let queue = LocalQueue::new(3, Arc::clone(&wake)).session(long());
    let start = starter();
    queue.add(vec![task(), task(), task()]);
    queue.wake_at(1);
    let woken = || tokio::time::timeout(Duration::from_millis(1), wake.notified());
    let _first = queue.begin(&start);
    assert!(woken().await.is_err(), "two are left");
    let _second = queue.begin(&start);
    assert!(woken().await.is_ok(), "one is left");
    let _third = queue.begin(&start);
    assert!(woken().await.is_err(), "it was woken already");
}
