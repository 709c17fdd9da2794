//! Single results and events that arrive together share statements, and each caller gets its own answer.

use futures_util::future::join_all;
use omniq_core::*;
use omniq_postgres::{AsyncPostgresEventStorage, AsyncPostgresResultStorage};
use omniq_testkit::TestDb;

async fn transactions(db: &TestDb, table: &str) -> i64 {
    let client = db.client().await;
    let sql = match table {
        "results" => "select count(distinct xmin::text::bigint) from omniq.result_segments",
        _ => "select count(distinct xmin::text::bigint) from omniq.events",
    };
    client.query_one(sql, &[]).await.unwrap().get(0)
}

fn result(id: TaskId, number: usize) -> TaskResult {
    let mut result = TaskResult::new(id, ResultStatus::Completed);
    result.value = Some(Payload::new(Codec::Raw, number.to_string().into_bytes()));
    result
}

#[tokio::test]
async fn single_results_that_arrive_together_are_all_stored_in_few_transactions() {
    let db = TestDb::new().await;
    let results = AsyncPostgresResultStorage::connect(&db.url()).await.unwrap();
    let stored: Vec<_> = (0..1_000).map(|number| result(TaskId::new(), number)).collect();
    let answers = join_all(stored.iter().map(|result| results.store(result.clone()))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let ids: Vec<_> = stored.iter().map(|result| result.task_id).collect();
    let found = results.get_many(&ids).await.unwrap();
    for (stored, found) in stored.iter().zip(found) {
        assert_eq!(found.unwrap().value, stored.value);
    }
    let transactions = transactions(&db, "results").await;
    assert!(transactions <= 100, "{transactions} transactions");
    results.close().await.unwrap();
}

/// Each call replaces the result of the calls before it, also of those that are in the same statement.
#[tokio::test]
async fn single_results_of_one_task_leave_one_of_them() {
    let db = TestDb::new().await;
    let results = AsyncPostgresResultStorage::connect(&db.url()).await.unwrap();
    let id = TaskId::new();
    let answers = join_all((0..200).map(|number| results.store(result(id, number)))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 1);
    results.store(result(id, 777)).await.unwrap();
    assert_eq!(results.get(id).await.unwrap().unwrap().value, result(id, 777).value);
    results.close().await.unwrap();
}

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
    let transactions = transactions(&db, "events").await;
    assert!(transactions <= 100, "{transactions} transactions");
    events.close().await.unwrap();
}
