//! One task in the state machine: what an answer can state about it, whether that can be true, and its state afterwards.

use crate::model::*;

/// A task as an answer describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) state: TaskState,
    pub(super) attempt: u32,
    pub(super) claim: Option<Claim>,
    pub(super) priority: i16,
    pub(super) value: i64,
}

/// Why a verb was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    Conflict,
}

/// How an update changes a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Value(i64),
    Priority(i16),
    Due,
}

/// What an answer states about one task.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    Added { view: View, expired: bool },
    Seen(Option<View>),
    Claimed(View),
    Settled { claim: Option<Claim>, outcome: Outcome, done: bool },
    Cancelled(Cancelled),
    Deleted(Option<Refusal>),
    Retried(Option<Refusal>),
    Updated(Change, Result<View, Refusal>),
}

/// A verb on all tasks of some kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sweep {
    /// Removes those that are not running, of this state if one is given.
    Remove(Option<TaskState>),
    /// Retries those of this state.
    Retry(TaskState),
    /// Cancels those that wait.
    Cancel,
}

/// A task that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Known {
    view: View,
    /// The number of its last claim.
    number: u32,
    expired: bool,
}

/// `None`: it does not exist yet, or any more.
pub(super) type Model = Option<Known>;

/// The task after this fact, or `None` if the fact cannot be true of it.
pub(super) fn after(model: Model, fact: &Fact, keeps: bool) -> Option<Model> {
    match fact {
        Fact::Added { view, expired } => {
            model.is_none().then_some(Some(Known { view: *view, number: 0, expired: *expired }))
        }
        Fact::Seen(seen) => (model.map(|known| known.view) == *seen).then_some(model),
        Fact::Claimed(seen) => claimed(model?, *seen),
        Fact::Settled { claim, outcome, done } => {
            let fits = model.filter(|known| settles(known, *claim, outcome));
            match (fits, done) {
                (Some(known), true) => Some(settled(known, outcome, keeps)),
                // Without a claim it is lost also if a concurrent call changed the row at that moment.
                (None, false) => Some(model),
                (Some(_), false) if claim.is_none() => Some(model),
                _ => None,
            }
        }
        Fact::Cancelled(answer) => {
            let step = model.map_or(Step::No, |known| known.view.state.after(Verb::Cancel));
            match (answer, step) {
                (Cancelled::Done, Step::To(TaskState::Cancelled)) => Some(None),
                (Cancelled::Requested, Step::To(TaskState::Running)) | (Cancelled::NotFound, Step::No) => {
                    Some(model)
                }
                _ => None,
            }
        }
        Fact::Deleted(None) => allowed(model, Verb::Delete).map(|_| None),
        Fact::Retried(None) => allowed(model, Verb::Retry).map(|known| Some(retried(known))),
        Fact::Updated(change, Ok(seen)) => {
            let known = updated(allowed(model, Verb::Cancel).filter(is_waiting)?, *change);
            (known.view == *seen).then_some(Some(known))
        }
        Fact::Deleted(Some(refusal)) => refused(model, Verb::Delete, *refusal),
        Fact::Retried(Some(refusal)) => refused(model, Verb::Retry, *refusal),
        Fact::Updated(_, Err(Refusal::NotFound)) => model.is_none().then_some(model),
        Fact::Updated(_, Err(Refusal::Conflict)) => (!is_waiting(&model?)).then_some(model),
    }
}

/// The task after this sweep, or `None` if it is not of that kind.
pub(super) fn swept(model: Model, sweep: Sweep) -> Option<Model> {
    let known = model?;
    let view = known.view;
    match sweep {
        Sweep::Cancel => is_waiting(&known).then_some(None),
        Sweep::Retry(state) => (state == view.state).then(|| Some(retried(known))),
        Sweep::Remove(state) => {
            let goes = view.state != TaskState::Running && state.is_none_or(|state| state == view.state);
            goes.then_some(None)
        }
    }
}

fn is_waiting(known: &Known) -> bool {
    matches!(known.view.state, TaskState::Scheduled | TaskState::Ready)
}

fn allowed(model: Model, verb: Verb) -> Option<Known> {
    model.filter(|known| known.view.state.after(verb) != Step::No)
}

fn refused(model: Model, verb: Verb, refusal: Refusal) -> Option<Model> {
    let right = match refusal {
        Refusal::NotFound => model.is_none(),
        Refusal::Conflict => model.is_some() && allowed(model, verb).is_none(),
    };
    right.then_some(model)
}

fn claimed(known: Known, seen: View) -> Option<Model> {
    let number = seen.claim?.number;
    if known.view.state != TaskState::Ready || known.expired || number <= known.number {
        return None;
    }
    let view =
        View { state: TaskState::Running, attempt: known.view.attempt + 1, claim: seen.claim, ..known.view };
    (view == seen).then_some(Some(Known { view, number, ..known }))
}

fn settles(known: &Known, claim: Option<Claim>, outcome: &Outcome) -> bool {
    match claim {
        Some(_) => known.view.claim == claim,
        None => is_waiting(known) && (*outcome != Outcome::Expire || known.expired),
    }
}

fn settled(known: Known, outcome: &Outcome, keeps: bool) -> Model {
    let (state, given_back) = match outcome {
        Outcome::Complete if keeps => (TaskState::Completed, 0),
        Outcome::Fail { .. } => (TaskState::Dead, 0),
        Outcome::RetryLater { delay, .. } if delay.is_zero() => (TaskState::Ready, 0),
        Outcome::RetryLater { .. } => (TaskState::Scheduled, 0),
        Outcome::Release => (TaskState::Ready, 1),
        Outcome::Snooze { delay } if delay.is_zero() => (TaskState::Ready, 1),
        Outcome::Snooze { .. } => (TaskState::Scheduled, 1),
        _ => return None,
    };
    let view = View { state, attempt: known.view.attempt - given_back, claim: None, ..known.view };
    Some(Known { view, ..known })
}

fn retried(mut known: Known) -> Known {
    if known.view.state == TaskState::Dead {
        known.view.attempt = 0;
    }
    known.view.state = TaskState::Ready;
    known
}

fn updated(mut known: Known, change: Change) -> Known {
    match change {
        Change::Value(value) => known.view.value = value,
        Change::Priority(priority) => known.view.priority = priority,
        Change::Due => known.view.state = TaskState::Ready,
    }
    known
}
