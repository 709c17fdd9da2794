//! C16, C18: concurrent verbs. Several connections run random verbs on the same few tasks. Each answer must have been
//! true at some moment between its call and its return, and tasks that no verb named must be unchanged.
//!
//! A history is checked task by task for linearizability against the state machine (Wing and Gong, "Testing and
//! verifying concurrent objects", 1993), and as a whole by its sums: what a purge counted, what the queue's counts are,
//! what a claim of everything returns.

mod check;
mod history;
mod model;
mod plan;
mod play;
mod stage;

use std::cell::Cell;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

pub use plan::{Act, Plan, Segment};
pub use stage::{LANES, Stage, User};

use crate::conformance::QueueFixture;
use crate::model::Limits;

/// How often a shorter history is tried again before it is taken to be right: a fault occurs only at some timings.
const TRIES: usize = 30;

/// The number of histories after which the stage is maintained, as a worker does beside its tasks.
const UPKEEP: u32 = 16;

/// After one of this many histories the remaining tasks are claimed; after the others they are removed with fewer
/// statements.
const CLAIMS: u32 = 4;

/// Runs `count` random histories, one after another. The error describes a short one that fails. Plans depend on the
/// seed alone, the timing within a history does not. Must be called on a thread that may block, within a runtime.
pub fn histories(stage: &Stage, count: u32, seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Handle::current();
    let workers = runtime.block_on(play::workers(stage));
    let (number, wrong, played) = (Cell::new(0_u64), Cell::new(false), Cell::new(0_u32));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config =
        Config { failure_persistence: None, cases: count, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&plan::plans(), |plan| {
        for _ in 0..if wrong.get() { TRIES } else { 1 } {
            if played.replace(played.get() + 1).is_multiple_of(UPKEEP) {
                runtime
                    .block_on(stage.objects[0].maintain())
                    .map_err(|error| TestCaseError::fail(format!("maintenance failed: {error}")))?;
            }
            // A history that is right leaves nothing in its queue, so only a wrong one changes the name.
            number.set(number.get() + u64::from(wrong.get()));
            let queue = format!("{}-{}", stage.name, number.get());
            let history = runtime.block_on(async {
                let claims = wrong.get() || played.get().is_multiple_of(CLAIMS);
                let play = play::play(stage, &workers, &queue, &plan, claims);
                tokio::time::timeout(Duration::from_secs(60), play).await
            });
            let verdict = match history {
                Ok(Ok(history)) => check::check(&history, stage.keeps),
                Ok(Err(message)) => Err(message),
                Err(_) => Err("the history hangs".to_owned()),
            };
            if let Err(message) = verdict {
                wrong.set(true);
                return Err(TestCaseError::fail(message));
            }
        }
        Ok(())
    });
    outcome.map_err(|error| error.to_string())
}

/// Runs histories on objects that keep completed tasks and on objects that do not.
pub async fn c16_verbs_at_the_same_time_are_linearizable(fixture: &dyn QueueFixture) {
    for keeps in [false, true] {
        let mut objects = Vec::new();
        for _ in 0..LANES {
            objects.push(fixture.queue_with(Limits::default(), keeps).await);
        }
        let stage = Stage { objects, keeps, user: None, name: format!("histories-{keeps}") };
        let play = tokio::task::spawn_blocking(move || histories(&stage, 15, 1));
        if let Err(message) = play.await.expect("the thread of the histories ends") {
            panic!("{message}");
        }
    }
    fixture.check().await;
}
