//! C17, C18: which claims may settle, and how a batch is answered.

use std::time::Duration;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

async fn settle_each(queue: &std::sync::Arc<dyn TaskQueue>, batch: Vec<Settlement>) -> Vec<Settled> {
    queue.settle(&batch, SettleMode::Each).await.unwrap()
}

/// A task that was only read cannot be settled.
pub async fn c17_a_task_that_is_not_held_cannot_be_settled(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let seen = queue.get(id).await.unwrap().unwrap();
    assert!(queue.complete(&seen).await.unwrap_err().is_claim_lost());
    assert!(queue.fail(&seen, boom()).await.unwrap_err().is_claim_lost());
    assert!(queue.complete_many(&[take(&queue).await, seen]).await.unwrap_err().is_claim_lost());
    assert_eq!(state(&queue, id).await, Some(TaskState::Running));
}

/// Neither an earlier claim of the same worker nor another worker's claim with the same number is the present claim.
pub async fn c17_only_the_present_claim_settles(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let first = take(&queue).await;
    queue.release(&first).await.unwrap();
    let second = take(&queue).await;
    assert_eq!(first.claim.unwrap().worker, second.claim.unwrap().worker);
    assert!(queue.complete(&first).await.unwrap_err().is_claim_lost());
    let mut forged = second.clone();
    forged.claim = Some(Claim { worker: WorkerId(i64::MAX), ..second.claim.unwrap() });
    assert!(queue.complete(&forged).await.unwrap_err().is_claim_lost());
    assert_eq!(state(&queue, id).await, Some(TaskState::Running));
    queue.complete(&second).await.unwrap();
    assert!(queue.complete(&second).await.unwrap_err().is_claim_lost(), "a second finish");
}

/// `Each`: the answers are in the order of the batch, and a lost claim does not stop the rest.
pub async fn c18_settle_each_answers_for_each(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..6).await;
    let held = take_many(&queue, 6).await;
    queue.release(&held[1]).await.unwrap();
    let unknown = Settlement { task_id: TaskId::new(), ..settlement(&held[0], Outcome::Complete) };
    let batch = vec![
        settlement(&held[0], Outcome::Complete),
        settlement(&held[1], Outcome::Complete),
        settlement(&held[2], Outcome::Snooze { delay: HOUR }),
        unknown,
        settlement(&held[3], Outcome::Fail { error: boom() }),
        settlement(&held[4], Outcome::Cancel),
        settlement(&held[4], Outcome::Complete),
        settlement(&held[5], Outcome::Release),
    ];
    use Settled::{Done, Lost};
    assert_eq!(settle_each(&queue, batch).await, [Done, Lost, Done, Lost, Done, Done, Lost, Done]);
    let expected = [
        None,
        Some(TaskState::Ready),
        Some(TaskState::Scheduled),
        Some(TaskState::Dead),
        None,
        Some(TaskState::Ready),
    ];
    for (id, expected) in ids.into_iter().zip(expected) {
        assert_eq!(state(&queue, id).await, expected);
    }
}

/// `All`: if one claim is lost, or one task occurs twice, nothing is written.
pub async fn c20_settle_all_is_all_or_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..3).await;
    let held = take_many(&queue, 3).await;
    let complete = |index: usize| settlement(&held[index], Outcome::Complete);
    let error = queue.settle(&[complete(0), complete(1), complete(0)], SettleMode::All).await.unwrap_err();
    assert!(error.is_claim_lost(), "{error:?}");
    queue.release(&held[2]).await.unwrap();
    let error = queue.settle(&[complete(0), complete(1), complete(2)], SettleMode::All).await.unwrap_err();
    assert!(error.is_claim_lost(), "{error:?}");
    assert!(error.message().contains(&ids[2].to_string()), "{error} should name the task");
    assert_eq!(state(&queue, ids[0]).await, Some(TaskState::Running));
    let answer = queue.settle(&[complete(0), complete(1)], SettleMode::All).await.unwrap();
    assert_eq!(answer, [Settled::Done; 2]);
    assert_eq!(total(&queue).await, 1);
}

/// An empty batch is accepted.
pub async fn c18_settle_of_nothing_is_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for mode in [SettleMode::Each, SettleMode::All] {
        assert_eq!(queue.settle(&[], mode).await.unwrap(), []);
    }
    queue.complete_many(&[]).await.unwrap();
    queue.release_many(&[]).await.unwrap();
    assert_eq!(queue.fail_many(Vec::new()).await.unwrap(), []);
}

/// Without a claim only tasks that no worker holds can be settled, and only as their state allows.
pub async fn c17_without_a_claim_only_unheld_tasks_are_settled(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..2).await;
    let running = take(&queue).await;
    let unclaimed =
        |id: TaskId, outcome| Settlement { task_id: id, claim: None, ..settlement(&running, outcome) };
    for outcome in [Outcome::Complete, Outcome::Cancel, Outcome::Release] {
        assert_eq!(settle_each(&queue, vec![unclaimed(ids[0], outcome)]).await, [Settled::Lost]);
    }
    let delay = Duration::ZERO;
    for outcome in [Outcome::Complete, Outcome::Release, Outcome::Snooze { delay }, Outcome::Discard] {
        assert_eq!(settle_each(&queue, vec![unclaimed(ids[1], outcome)]).await, [Settled::Lost]);
    }
    assert_eq!(state(&queue, ids[0]).await, Some(TaskState::Running));
    assert_eq!(state(&queue, ids[1]).await, Some(TaskState::Ready));
    assert_eq!(settle_each(&queue, vec![unclaimed(ids[1], Outcome::Cancel)]).await, [Settled::Done]);
    assert_eq!(state(&queue, ids[1]).await, None);
    queue.complete(&running).await.unwrap();
}
