//! C16, C18: verbs at the same time. Several connections run random verbs on the same few tasks; each answer must have been true
//! at some moment between its call and its return, and what no verb named must be untouched.
//!
//! A history is checked task by task for linearizability against the state machine (Wing and Gong, "Testing and verifying
//! concurrent objects", 1993), and as a whole by its sums: what a purge counted, what the figures say, what a claim of all finds.

mod check;
mod history;
mod model;
mod plan;
mod play;

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

pub use plan::{Act, Plan, Segment};

use crate::conformance::QueueFixture;
use crate::model::{Completion, Limits};
use crate::{Error, TaskQueue};

/// How many connections there are at the most.
pub const LANES: usize = 5;

/// How often a shorter history is tried again before it is taken to be right: a fault shows at some timings only.
const TRIES: usize = 30;

/// After how many histories a stage is maintained, as a worker does it beside its tasks.
const UPKEEP: u32 = 16;

/// At the end of how many histories what is left is claimed; at the others it is removed by what takes fewer statements.
const CLAIMS: u32 = 4;

/// What histories are played on: objects of one storage, each as another process would have it.
#[derive(Debug, Clone)]
pub struct Stage {
    /// [`LANES`] objects on the same tasks.
    pub objects: Vec<Arc<dyn TaskQueue>>,
    /// Whether they keep completed tasks.
    pub keeps: bool,
    /// Completes a task in a transaction of a user's own, where the storage has such.
    pub completer: Option<Arc<dyn Completer>>,
    /// Names of queues begin with this, so that several stages can share a storage.
    pub name: String,
}

/// What a user does who completes a task in a transaction of the user's own.
#[async_trait]
pub trait Completer: Debug + Send + Sync {
    /// Carries the completion out and commits, or rolls back. Error `is_claim_lost` if the claim does not hold any more.
    async fn complete(&self, completion: &Completion, commit: bool) -> Result<(), Error>;
}

/// Plays so many random histories, one after another; an error shows a short one that goes wrong. Plans depend on the seed
/// alone, the timing within a history does not. To be called in a thread that may block, within a runtime.
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
            // A right one leaves nothing behind.
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

/// Histories on objects that keep completed tasks and on objects that do not.
pub async fn c16_verbs_at_the_same_time_are_linearizable(fixture: &dyn QueueFixture) {
    for keeps in [false, true] {
        let mut objects = Vec::new();
        for _ in 0..LANES {
            objects.push(fixture.queue_with(Limits::default(), keeps).await);
        }
        let stage = Stage { objects, keeps, completer: None, name: format!("histories-{keeps}") };
        let play = tokio::task::spawn_blocking(move || histories(&stage, 15, 1));
        if let Err(message) = play.await.expect("the thread of the histories ends") {
            panic!("{message}");
        }
    }
    fixture.check().await;
}
