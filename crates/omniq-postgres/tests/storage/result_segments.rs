//! Rows of several results: of tasks of one segment that were settled together. Users see results, never rows.

use std::collections::HashSet;
use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresBackend;
use omniq_testkit::{TestDb, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: &str = "select count(*) from omniq.result_segments";

async fn backend(db: &TestDb) -> AsyncPostgresBackend {
    AsyncPostgresBackend::connect(&db.url()).await.unwrap()
}

async fn number(db: &TestDb, sql: &str) -> i64 {
    db.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

fn place(task: &Task) -> usize {
    task.payload.decode().unwrap()
}

/// Every tenth task has no value, every tenth a value of another codec, and every tenth fails.
fn ended(task: &Task) -> Settlement {
    let (place, mut outcome) = (place(task), Outcome::Complete);
    let mut result = TaskResult::of(task, ResultStatus::Completed);
    result.worker = Some("host:1".to_owned());
    result.value = match place % 10 {
        3 => None,
        6 => Some(Payload::msgpack(&place).unwrap()),
        _ => Some(Payload::json(&place).unwrap()),
    };
    if place % 10 == 9 {
        let error = TaskError::new("boom", format!("{place} went wrong"));
        (result.status, result.value, result.error) = (ResultStatus::Failed, None, Some(error.clone()));
        outcome = Outcome::Fail { error };
    }
    Settlement { result: Some(result), ..Settlement::new(task.id, task.claim, outcome) }
}

fn completed(task: &Task) -> Settlement {
    let mut result = TaskResult::of(task, ResultStatus::Completed);
    result.value = Some(Payload::json(&place(task)).unwrap());
    let outcome = Outcome::Complete;
    Settlement { result: Some(result), ..Settlement::new(task.id, task.claim, outcome) }
}

/// `count` tasks of one segment, claimed.
async fn held(backend: &AsyncPostgresBackend, count: usize) -> Vec<Task> {
    let tasks = (0..count).map(|place| NewTask::new("f", &place).unwrap().max_retries(0));
    backend.enqueue_many(tasks.collect()).await.unwrap();
    let worker = backend.queue().register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let request = Dequeue::from(["default"]).limit(count as u32);
    backend.queue().claim(worker, &request).await.unwrap()
}

async fn settle(backend: &AsyncPostgresBackend, settlements: Vec<Settlement>) {
    let count = settlements.len();
    let answers = backend.queue().settle(&settlements, SettleMode::Each).await.unwrap();
    assert_eq!(answers, vec![Settled::Done; count]);
}

/// The results of `count` tasks of one segment, in one row.
async fn one_row(db: &TestDb, backend: &AsyncPostgresBackend, count: usize) -> Vec<TaskId> {
    let tasks = held(backend, count).await;
    settle(backend, tasks.iter().map(completed).collect()).await;
    assert_eq!(number(db, ROWS).await, 1);
    tasks.iter().map(|task| task.id).collect()
}

fn value(result: &TaskResult) -> usize {
    result.value.as_ref().unwrap().decode().unwrap()
}

/// All results, page by page. The count of those that are left agrees with each page.
async fn listed(results: &dyn ResultStorage, mut filter: ResultFilter, all: usize) -> Vec<TaskResult> {
    let mut seen = Vec::new();
    loop {
        assert_eq!(results.count(&filter).await.unwrap() as usize, all - seen.len());
        let page = results.list(&filter).await.unwrap();
        let Some(last) = page.last() else { return seen };
        filter.after = Some((last.finished_at, last.task_id));
        seen.extend(page);
    }
}

#[tokio::test]
async fn c23_a_run_of_1000_that_ended_in_many_ways_reads_result_by_result() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let tasks = held(&backend, 1_000).await;
    // Batches of every kind: every other task, the tasks in between, a few, many in another order, and the rest.
    let mut left = tasks.clone();
    let picks: [fn(usize) -> bool; 4] =
        [|n| n < 300 && n % 2 == 0, |n| n < 300, |n| (500..505).contains(&n), |n| n % 3 > 0];
    for pick in picks {
        let (mut batch, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|task| pick(place(task)));
        batch.reverse();
        settle(&backend, batch.iter().map(ended).collect()).await;
        left = rest;
    }
    settle(&backend, left.iter().map(ended).collect()).await;
    let rows = number(&db, "select count(*) from omniq.result_segments where codec = 'json'").await;
    assert!((5..60).contains(&rows), "{rows} rows");

    for task in tasks.iter().step_by(7) {
        let mut expected = ended(task).result.unwrap();
        let found = results.get(task.id).await.unwrap().unwrap();
        (expected.finished_at, expected.expires_at) = (found.finished_at, found.expires_at);
        assert_eq!(found, expected);
    }
    let mut ids: Vec<_> = tasks.iter().map(|task| task.id).rev().collect();
    ids.swap(3, 800);
    let found = results.get_many(&ids).await.unwrap();
    assert!(found.iter().zip(&ids).all(|(found, id)| found.as_ref().unwrap().task_id == *id));

    let pages = ResultFilter { limit: Some(33), ..ResultFilter::default() };
    let all = listed(&**results, pages.clone(), 1_000).await;
    assert!(all.is_sorted_by_key(|result| std::cmp::Reverse((result.finished_at, result.task_id))));
    assert_eq!(all.iter().map(|result| result.task_id).collect::<HashSet<_>>().len(), 1_000);
    let failed = ResultFilter { status: Some(ResultStatus::Failed), ..pages };
    assert_eq!(listed(&**results, failed, 100).await.len(), 100);

    // SQL sees the results as well.
    assert_eq!(number(&db, "select count(distinct task_id) from omniq.results").await, 1_000);
    let sql = format!(
        "select convert_from(r.value, 'UTF8')::bigint from omniq.results r, omniq.result('{}') o
         where r.task_id = o.task_id and r.value = o.value",
        tasks[511].id
    );
    assert_eq!(number(&db, &sql).await, 511);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c23_one_in_the_midst_of_a_run_goes_alone_and_the_last_one_takes_the_row_along() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let ids = one_row(&db, &backend, 100).await;
    assert!(results.delete(ids[50]).await.unwrap());
    assert!(!results.delete(ids[50]).await.unwrap());
    assert_eq!(results.get(ids[50]).await.unwrap(), None);
    assert_eq!(value(&results.get(ids[51]).await.unwrap().unwrap()), 51);
    let pages = ResultFilter { limit: Some(9), ..ResultFilter::default() };
    let places: Vec<_> = listed(&**results, pages, 99).await.iter().map(value).collect();
    assert_eq!(places, (0..100).rev().filter(|place| *place != 50).collect::<Vec<_>>());
    assert_eq!(number(&db, "select count(*) from omniq.results").await, 99);
    assert_eq!(results.delete_many(&ids[40..60]).await.unwrap(), 19);
    assert_eq!(results.delete_many(&ids[60..]).await.unwrap(), 40);
    assert_eq!(number(&db, ROWS).await, 1);
    // The first one is looked for by a statement of its own, as tasks that were enqueued alone are.
    assert_eq!(value(&results.get(ids[0]).await.unwrap().unwrap()), 0);
    assert!(results.delete(ids[0]).await.unwrap());
    assert_eq!(results.get(ids[0]).await.unwrap(), None);
    assert_eq!(value(&results.get_many(&ids[..2]).await.unwrap()[1].clone().unwrap()), 1);
    assert_eq!(results.delete_many(&ids).await.unwrap(), 39);
    assert_eq!(number(&db, ROWS).await, 0);
    backend.close().await.unwrap();
}

/// Two sessions remove results from one row at once: each result is counted by one of them, and the row is deleted.
#[tokio::test]
async fn c23_two_deleters_of_one_row_see_each_other() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let ids = one_row(&db, &backend, 100).await;
    let mut other = db.client().await;
    let open = other.transaction().await.unwrap();
    let sql = format!(
        "select omniq.remove_results(array['{}'::uuid], array[repeat('1', 60)::bit varying])",
        ids[0]
    );
    assert_eq!(open.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0), 60);
    let deleting = tokio::spawn({
        let (results, ids) = (results.clone(), ids.clone());
        async move { results.delete_many(&ids[20..]).await }
    });
    let waits = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq' and wait_event_type = 'Lock'";
    eventually("it waits", PATIENCE, async || (number(&db, waits).await == 1).then_some(())).await;
    open.commit().await.unwrap();
    assert_eq!(deleting.await.unwrap().unwrap(), 40);
    assert_eq!(number(&db, ROWS).await, 0, "neither has left it to the other");

    let ids = one_row(&db, &backend, 200).await;
    let deleters = (0..4).map(|start| {
        let (results, ids) = (results.clone(), ids.clone());
        tokio::spawn(async move {
            let mut removed = 0;
            for step in 0..50 {
                let from = (start * 37 + step * 13) % 190;
                removed += results.delete_many(&ids[from..from + 10]).await.unwrap();
            }
            removed
        })
    });
    let mut removed = 0;
    for deleter in deleters.collect::<Vec<_>>() {
        removed += deleter.await.unwrap();
    }
    assert_eq!(removed + results.count(&ResultFilter::default()).await.unwrap(), 200);
    assert_eq!(removed + results.delete_many(&ids).await.unwrap(), 200);
    assert_eq!(number(&db, ROWS).await, 0);
    backend.close().await.unwrap();
}

/// Stored again, or run again: the earlier result is replaced, also in the middle of a row.
#[tokio::test]
async fn c23_a_later_result_takes_the_place_of_one_inside_a_row() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let (queue, results) = (backend.queue(), backend.results().unwrap());
    let ids = one_row(&db, &backend, 50).await;
    let mut later = TaskResult::new(ids[20], ResultStatus::Completed);
    later.value = Some(Payload::json(&"later").unwrap());
    results.store_many(vec![later.clone()]).await.unwrap();
    let found = results.get(ids[20]).await.unwrap().unwrap();
    assert_eq!(found.value, later.value);
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 50);
    assert_eq!(results.delete_many(&ids).await.unwrap(), 50);

    let tasks = held(&backend, 50).await;
    let error = TaskError::new("boom", "it went wrong");
    let failures = tasks.iter().map(|task| {
        let mut result = TaskResult::of(task, ResultStatus::Failed);
        result.error = Some(error.clone());
        let outcome = Outcome::Fail { error: error.clone() };
        Settlement { outcome, result: Some(result), ..completed(task) }
    });
    settle(&backend, failures.collect()).await;
    assert_eq!(number(&db, ROWS).await, 1);
    for task in &tasks[10..40] {
        queue.retry(task.id).await.unwrap();
    }
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let again = queue.claim(worker, &Dequeue::from(["default"]).limit(100)).await.unwrap();
    assert_eq!(again.len(), 30);
    settle(&backend, again.iter().map(completed).collect()).await;
    let all = results.list(&ResultFilter::default()).await.unwrap();
    assert_eq!(all.len(), 50);
    for result in all {
        let again = again.iter().any(|task| task.id == result.task_id);
        assert_eq!(result.status == ResultStatus::Completed, again, "{result:?}");
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c23_a_wait_for_one_in_the_midst_of_a_run_ends_with_the_run() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let tasks = held(&backend, 100).await;
    let waiting: Vec<_> = [0, 47, 99]
        .map(|place| {
            let (results, id) = (results.clone(), tasks[place].id);
            (place, tokio::spawn(async move { results.wait(id, PATIENCE).await }))
        })
        .into();
    settle(&backend, tasks.iter().map(completed).collect()).await;
    for (place, wait) in waiting {
        assert_eq!(value(&wait.await.unwrap().unwrap()), place);
    }
    backend.close().await.unwrap();
}

/// The limit counts results: a row is purged in part.
#[tokio::test]
async fn c23_clean_up_counts_results_and_not_rows() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let mut short: Vec<_> = held(&backend, 30).await.iter().map(completed).collect();
    for settlement in &mut short {
        settlement.result.as_mut().unwrap().ttl = Some(Duration::from_millis(100));
    }
    let ids: Vec<_> = short.iter().map(|settlement| settlement.task_id).collect();
    settle(&backend, short).await;
    results.store(TaskResult::new(TaskId::new(), ResultStatus::Completed)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(results.get_many(&ids).await.unwrap(), vec![None; 30]);
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 1);
    assert_eq!(results.delete_many(&ids[3..5]).await.unwrap(), 0, "nobody sees them");
    assert_eq!(results.purge_expired(7).await.unwrap(), 7);
    assert_eq!(number(&db, "select count(*) from omniq.results").await, 22);
    assert_eq!(results.purge_expired(100).await.unwrap(), 21);
    assert_eq!(results.purge_expired(100).await.unwrap(), 0);
    assert_eq!(number(&db, ROWS).await, 1);
    backend.close().await.unwrap();
}

/// A result is stored only for a task that was settled; also if one claim holds several rows of a segment.
#[tokio::test]
async fn c23_a_lost_claim_within_a_run_leaves_no_result() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let (queue, results) = (backend.queue(), backend.results().unwrap());
    let tasks = (0..100).map(|place| NewTask::new("f", &place).unwrap());
    backend.enqueue_many(tasks.collect()).await.unwrap();
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let mut tasks = Vec::new();
    for limit in [40, 60] {
        tasks.extend(queue.claim(worker, &Dequeue::from(["default"]).limit(limit)).await.unwrap());
    }
    assert_eq!(number(&db, "select count(*) from omniq.tasks").await, 2, "two rows");
    queue.complete_many(&tasks[20..50]).await.unwrap();
    let claimed_at = tasks[0].claimed_at;
    let late = tasks.iter().map(|task| {
        let mut late = completed(task);
        late.result.as_mut().unwrap().started_at = claimed_at;
        late
    });
    let answers = queue.settle(&late.collect::<Vec<_>>(), SettleMode::Each).await.unwrap();
    let expected: Vec<_> = (0..100).map(|place| !(20..50).contains(&place)).collect();
    assert_eq!(answers.iter().map(|answer| *answer == Settled::Done).collect::<Vec<_>>(), expected);
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let found = results.get_many(&ids).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), expected);
    assert_eq!(value(found[70].as_ref().unwrap()), 70);
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 70);
    assert_eq!(number(&db, ROWS).await, 2, "a row of results for each row of tasks");
    backend.close().await.unwrap();
}

/// A read of one result reads the whole row, so a row holds a limited number of bytes.
#[tokio::test]
async fn c23_large_values_do_not_share_a_row() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let tasks = held(&backend, 20).await;
    let large = |task: &Task| {
        let mut large = completed(task);
        large.result.as_mut().unwrap().value = Some(Payload::new(Codec::Raw, vec![7; 100 * 1024]));
        large
    };
    settle(&backend, tasks.iter().map(large).collect()).await;
    assert_eq!(number(&db, ROWS).await, 20);
    let found = backend.results().unwrap().get(tasks[11].id).await.unwrap().unwrap();
    assert_eq!(found.value.unwrap().bytes().len(), 100 * 1024);
    backend.close().await.unwrap();
}

/// As for tasks: the plan may read rows of other segments.
#[tokio::test]
async fn c23_a_result_is_found_whatever_the_plan_reads() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let first = held(&backend, 60).await;
    settle(&backend, first[51..].iter().map(completed).collect()).await;
    results.delete(first[53].id).await.unwrap();
    // Behind that row, where a scan of the table meets it first.
    let second = held(&backend, 20).await;
    settle(&backend, second.iter().map(completed).collect()).await;
    // One in a row of its own.
    let alone = held(&backend, 1).await;
    settle(&backend, alone.iter().map(completed).collect()).await;
    let second: Vec<Task> = second.into_iter().chain(alone).collect();
    let client = db.client().await;
    // A plan checks the cheapest condition first: here that on the bit, as the others are made dear.
    client
        .batch_execute(
            "alter function pg_catalog.uuid_ge(uuid, uuid) cost 1000000; alter function pg_catalog.uuid_le(uuid, uuid) cost 1000000;
             alter function pg_catalog.int4lt(int4, int4) cost 1000000; alter function pg_catalog.int4gt(int4, int4) cost 1000000;
             set jit = off; set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off",
        )
        .await
        .unwrap();
    let all: Vec<uuid::Uuid> = first.iter().chain(&second).map(|task| task.id.as_uuid()).collect();
    let found = "select r.task_id from unnest($1::uuid[]) i, omniq.result(i) r";
    let found: HashSet<uuid::Uuid> =
        client.query(found, &[&all]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let left = first[51..].iter().filter(|task| task.id != first[53].id).chain(&second);
    assert_eq!(found, left.map(|task| task.id.as_uuid()).collect());
    let removed =
        "select omniq.remove_results($1, array_fill(B'1'::bit varying, array[cardinality($1::uuid[])]))";
    let wanted: Vec<uuid::Uuid> = found.into_iter().collect();
    assert_eq!(client.query_one(removed, &[&wanted]).await.unwrap().get::<_, i64>(0), 29);
}
