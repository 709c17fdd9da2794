//! Single events that arrive together share statements, and each caller gets its own answer.

use futures_util::future::join_all;
use omniq_core::*;
use omniq_postgres::AsyncPostgresEventStorage;
use omniq_testkit::TestDb;

#[tokio::test]
async fn single_events_that_arrive_together_are_all_logged_in_few_transactions() {
    let db = TestDb::new().await;
    let events = AsyncPostgresEventStorage::connect(&db.url()).await.unwrap();
    let task = TaskId::new();
    let answers = join_all((0..1_000).map(|number| {
        let kind = EventKind::Custom(if number == 500 { String::new() } else { format!("step-{number}") });
        let mut event = TaskEvent::new(kind);
        event.task_id = Some(task);
        events.log(event)
    }))
    .await;
    for (number, answer) in answers.iter().enumerate() {
        if number == 500 {
            assert!(answer.as_ref().unwrap_err().is_invalid(), "{answer:?}");
        } else {
            assert!(answer.is_ok(), "{number}: {answer:?}");
        }
    }
    assert_eq!(events.count(&EventFilter::default()).await.unwrap(), 999);
    let sql = "select count(distinct xmin::text::bigint) from omniq.events";
    let transactions: i64 = db.client().await.query_one(sql, &[]).await.unwrap().get(0);
    assert!(transactions <= 100, "{transactions} transactions");
    events.close().await.unwrap();
}
