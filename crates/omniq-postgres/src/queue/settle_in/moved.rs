//! Test: a claim is not lost because its task moves to a row of its own at that moment.

use omniq_core::*;
use omniq_testkit::TestDb;

use crate::AsyncPostgresQueue;
use crate::segments::settle::SettleBatch;
use crate::sql::Param;

/// Found by a hostile reader: a settlement that had waited for the old row answered that the claim is lost. Then a worker that left
/// removed itself, and its tasks were held by nothing that a rescue finds.
#[tokio::test]
async fn a_task_that_moves_to_a_row_of_its_own_is_settled_all_the_same() {
    for (all, moved) in [(false, 1), (false, 4), (true, 1), (true, 4)] {
        let db = TestDb::new().await;
        let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
        queue.enqueue_many(vec![NewTask::new("f", &()).unwrap(); 4]).await.unwrap();
        let held = queue.dequeue_many(Dequeue::from(["default"]).limit(4)).await.unwrap();
        let settlements: Vec<_> =
            held.iter().map(|task| Settlement::new(task.id, task.claim, Outcome::Release)).collect();
        let checked: Vec<_> = settlements[..moved].iter().map(|one| one.checked().unwrap()).collect();
        let batch = SettleBatch::of(&checked, SettleMode::Each).unwrap();
        let mut mover = db.client().await;
        let moving = mover.transaction().await.unwrap();
        let single_out = &queue.db().sql.single_out_held;
        let claims = batch.claims_of();
        let values: Vec<Param<'_>> = single_out.values(&claims[..6]).collect();
        let typed: Vec<_> = values.into_iter().zip(single_out.types.iter().cloned()).collect();
        moving.query_typed(&single_out.text, &typed).await.unwrap();

        let settling = tokio::spawn({
            let (queue, settlements) = (queue.clone(), settlements.clone());
            let mode = if all { SettleMode::All } else { SettleMode::Each };
            async move { queue.settle(&settlements, mode).await }
        });
        let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        let witness = db.client().await;
        omniq_testkit::eventually("it waits", std::time::Duration::from_secs(20), async || {
            let count: i64 = witness.query_one(waits, &[]).await.unwrap().get(0);
            (count > 0).then_some(())
        })
        .await;
        moving.commit().await.unwrap();
        let answers = settling.await.unwrap().unwrap();
        assert_eq!(answers, [Settled::Done; 4], "all: {all}, {moved} moved");
        let ready = TaskFilter { state: Some(TaskState::Ready), ..TaskFilter::default() };
        assert_eq!(queue.count(&ready).await.unwrap(), 4);
        queue.close().await.unwrap();
    }
}
