//! C22: schedules tick while workers are killed and the server is restarted.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_embedded::StopMode;
use omniq_testkit::{Process, TestDb, eventually, fault_server, heavy};

use crate::effects::{self, number, number_is};

const KILL_EACH: Duration = Duration::from_millis(300);

/// Six processes tick five times a second. Every 300 ms one of them is killed and another one started, and twice the server is restarted
/// without warning: each tick has exactly one task, which has exactly one result, and no tick is left out.
/// `OMNIQ_TEST_TICKS=300` makes it last five minutes, with twenty processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_ticks_are_neither_lost_nor_doubled_by_kills_and_restarts() {
    let _turn = heavy();
    let given = std::env::var("OMNIQ_TEST_TICKS").ok();
    let seconds: u64 = given.as_ref().map_or(8, |seconds| seconds.parse().unwrap());
    let processes = if given.is_some() { 20 } else { 6 };
    let mut server = fault_server("ticks");
    let db = TestDb::on(&server.url()).await;
    effects::create(&db).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let (url, pool) = (db.url(), format!("{}?pool_max=4", db.url()));
    let arguments =
        [("url", pool.as_str()), ("effects", &url), ("concurrency", "2"), ("lease", "1"), ("ticks", "0.2")];
    let mut workers: Vec<_> = (0..processes).map(|_| Process::start("worker", &arguments)).collect();

    let (began, mut kills, mut restarts) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(KILL_EACH).await;
        let victim = kills % processes;
        workers[victim].kill();
        workers[victim] = Process::start("worker", &arguments);
        kills += 1;
        if began.elapsed().as_secs() >= (restarts + 1) * seconds / 3 && restarts < 2 {
            restarts += 1;
            server = tokio::task::spawn_blocking(move || {
                server.restart(StopMode::Immediate).unwrap();
                server
            })
            .await
            .unwrap();
        }
    }
    let schedules = backend.require_schedules().unwrap();
    let saved = schedules.list(&Default::default()).await.unwrap();
    assert_eq!(saved.len(), 3, "the schedules of the code");
    for saved in &saved {
        schedules.pause(&saved.schedule.name).await.unwrap();
    }
    let witness = db.client().await;
    eventually("all tasks have left the queue", Duration::from_secs(120), async || {
        number_is(&witness, "select count(*) from omniq.tasks", 0).await
    })
    .await;
    let runs = number(&witness, "select sum(runs)::bigint from omniq.schedules").await;
    println!("{runs} ticks, {kills} kills, {restarts} restarts in {:?}", began.elapsed());
    assert!(runs > 3 * 4 * seconds as i64 / 2, "{runs} ticks");
    let results = "from omniq.results r, lateral (select r.metadata->>'schedule' as schedule, (r.metadata->>'tick')::timestamptz as tick) t";
    assert_eq!(number(&witness, &format!("select count(*) {results}")).await, runs, "a result for each");
    let distinct = format!("select count(distinct (t.schedule, t.tick)) {results}");
    assert_eq!(number(&witness, &distinct).await, runs, "no tick has two tasks");
    let gaps = format!(
        "select count(*) from (select t.tick - lag(t.tick) over (partition by t.schedule order by t.tick) as gap {results}) g
         where g.gap <> interval '200 ms'"
    );
    assert_eq!(number(&witness, &gaps).await, 0, "no tick is left out");
    assert_eq!(number(&witness, "select count(distinct task) from effects").await, runs, "each task ran");
    drop(workers);
    backend.close().await.unwrap();
    drop(server);
}
