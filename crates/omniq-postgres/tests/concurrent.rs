//! Random verbs from several connections at once, with pauses while a statement holds its locks, so that others wait for them and
//! go on with what they saw before. `OMNIQ_HISTORIES` sets how many histories are played (default 10,000), `OMNIQ_SEED` their seed.

use std::sync::Arc;

use omniq_core::TaskQueue;
use omniq_core::conformance::queue::concurrent::{LANES, Stage, histories};
use omniq_postgres::AsyncPostgresQueue;
use omniq_postgres::settings::Settings;
use omniq_testkit::TestDb;

/// How many histories are played side by side: most of their time is pauses.
const STAGES: u32 = 8;

/// A statement that changes tasks pauses now and then before its first change, and when it is done, with its locks held. And a
/// transaction of several statements so pauses between them.
const PAUSES: &str = "
    create function omniq.pause() returns trigger language plpgsql as $$
    begin
        if random() < 0.3 then perform pg_sleep(random() * 0.004); end if;
        return null;
    end $$;
    create trigger pause_before before insert or update or delete on omniq.tasks for each statement execute function omniq.pause();
    create trigger pause_after after insert or update or delete on omniq.tasks for each statement execute function omniq.pause();";

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

async fn stage(db: &TestDb, no: u32) -> Stage {
    let keeps = no % 2 == 1;
    let settings = Settings::builder().url(db.url()).pool_min(0).pool_max(2).keep_completed(keeps);
    let settings = settings.build().unwrap();
    let mut objects: Vec<Arc<dyn TaskQueue>> = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        objects.push(Arc::new(AsyncPostgresQueue::with_settings(&settings).await.unwrap()));
    }
    Stage { objects, keeps, name: format!("stage-{no}") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_verbs_at_the_same_time_are_linearizable() {
    let (count, seed) = (number("OMNIQ_HISTORIES", 10_000), number("OMNIQ_SEED", 1));
    let db = TestDb::new().await;
    let mut plays = tokio::task::JoinSet::new();
    let mut stages = Vec::new();
    for no in 0..STAGES {
        stages.push(stage(&db, no).await);
    }
    db.client().await.batch_execute(PAUSES).await.unwrap();
    for (no, stage) in (0_u64..).zip(stages) {
        let seed = u64::from(seed) << 8 | no;
        plays.spawn_blocking(move || histories(&stage, count / STAGES, seed));
    }
    while let Some(play) = plays.join_next().await {
        if let Err(message) = play.expect("the thread of the histories ends") {
            panic!("{message}");
        }
    }
    let differ =
        "select count(*) from (select * from omniq.queue_counts except select * from omniq.counted) a";
    assert_eq!(db.client().await.query_one(differ, &[]).await.unwrap().get::<_, i64>(0), 0);
}
