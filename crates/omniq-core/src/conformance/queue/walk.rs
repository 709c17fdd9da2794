//! C18: random sequences of verbs. In any order, each verb does what `TaskState::after` says.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::model::Model;
use super::moves::Move;
use crate::conformance::QueueFixture;
use crate::conformance::support::random_walks;
use crate::*;

/// Random sequences of up to 40 steps.
pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    let count = prop_oneof![1 => Just(1), 2 => 2..=6_usize];
    let enqueue = (count, -1..=1_i16, 0..=2_u32, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(count, priority, retries, delayed, expiring)| Move::Enqueue {
            count,
            priority,
            retries,
            delayed: delayed && !expiring,
            expiring,
        },
    );
    let quick: Vec<_> =
        Verb::ALL.into_iter().filter(|verb| !matches!(verb, Verb::Rescue | Verb::RescueLast)).collect();
    let verb = prop_oneof![
        20 => prop::sample::select(quick),
        12 => Just(Verb::Dequeue),
        // The loss of a worker takes long, so it is rare.
        1 => Just(Verb::Rescue),
    ];
    let act = (verb, any::<usize>(), any::<bool>()).prop_map(|(verb, place, at_once)| Move::Do {
        verb,
        place,
        at_once,
    });
    prop::collection::vec(prop_oneof![1 => enqueue, 3 => act], 1..40)
}

/// Carries the sequence out on a queue of its own name, and compares the queue with the model after each step. `keeps`:
/// the object keeps completed tasks.
pub async fn walk(queue: Arc<dyn TaskQueue>, name: &str, keeps: bool, moves: &[Move]) {
    let mut model = Model::new(queue, name, keeps).await;
    for (number, step) in moves.iter().enumerate() {
        model.step(*step).await;
        model.compare(&format!("after step {number}, {step:?}")).await;
    }
}

/// Many sequences; one that fails is shrunk to the shortest that fails.
pub async fn c18_random_sequences_of_verbs_follow_the_state_machine(fixture: &dyn QueueFixture) {
    let plain = fixture.queue().await;
    let keeping = fixture.queue_with(Limits::default(), true).await;
    random_walks(16, moves(), move |number, moves| {
        let keeps = number.is_multiple_of(2);
        let queue = if keeps { keeping.clone() } else { plain.clone() };
        async move {
            let (name, limit) = (format!("walk-{number}"), Duration::from_secs(60));
            let walk = walk(queue, &name, keeps, &moves);
            tokio::time::timeout(limit, walk).await.expect("the walk hangs");
        }
    })
    .await;
    fixture.check().await;
}
