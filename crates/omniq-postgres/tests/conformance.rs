//! The one suite of the interfaces on PostgreSQL: async, through the blocking twins, and as behind a pooler.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::conformance::{Blocking, EventFixture, QueueFixture, ResultFixture};
use omniq_core::*;
use omniq_postgres::settings::{Builder, Settings};
use omniq_postgres::{AsyncPostgresEventStorage, AsyncPostgresQueue, AsyncPostgresResultStorage};
use omniq_testkit::TestDb;
use tokio::sync::OnceCell;

/// A database of its own, made when the first store is asked for.
struct Postgres {
    db: OnceCell<TestDb>,
    statement_cache: bool,
    crowded: bool,
    /// All tables are published, for logical replication.
    published: bool,
}

fn postgres() -> Postgres {
    Postgres { db: OnceCell::new(), statement_cache: true, crowded: false, published: false }
}

/// As `postgres`, with all tables published.
fn published() -> Postgres {
    Postgres { published: true, ..postgres() }
}

/// Without prepared statements, as behind a pooler that hands out connections by transaction.
fn unprepared() -> Postgres {
    Postgres { statement_cache: false, ..postgres() }
}

/// Every task that is enqueued alone stands at the head of a row with others that are gone; all tables are published.
fn crowded() -> Postgres {
    Postgres { crowded: true, published: true, ..postgres() }
}

/// A row of two to four, but for what is taken out of a run, which is older than its statement; of which length depends on the id, so that an id that is used twice is found as ever.
const CROWD: &str = "
    create or replace function omniq.crowd() returns trigger language plpgsql as $$
    declare others integer := 1 + get_byte(uuid_send(new.id), 13) % 3;
    begin
        new.count := 1 + others;
        new.gone := ('0' || repeat('1', others))::bit varying;
        new.bodies := new.bodies || array_fill('gone'::bytea, array[others]);
        new.seq := new.seq + others;
        return new;
    end $$;
    create or replace trigger crowd before insert on omniq.tasks for each row
    when (new.count = 1 and new.created_at >= statement_timestamp()) execute function omniq.crowd()";

impl Postgres {
    async fn settings(&self) -> Builder {
        let db = self.db.get_or_init(async || {
            let db = TestDb::new().await;
            if self.published {
                db.client()
                    .await
                    .batch_execute("create publication everything for all tables")
                    .await
                    .unwrap();
            }
            db
        });
        let db = db.await;
        Settings::builder().url(db.url()).pool_min(0).statement_cache(self.statement_cache)
    }

    async fn open(&self, settings: Builder) -> Arc<dyn TaskQueue> {
        let queue = AsyncPostgresQueue::with_settings(&settings.build().unwrap()).await.unwrap();
        if self.crowded {
            self.db.get().unwrap().client().await.batch_execute(CROWD).await.unwrap();
        }
        Arc::new(queue)
    }
}

#[async_trait]
impl QueueFixture for Postgres {
    async fn queue_with(&self, limits: Limits, keep_completed: bool) -> Arc<dyn TaskQueue> {
        let settings = self.settings().await.max_payload(limits.max_payload).keep_completed(keep_completed);
        self.open(settings).await
    }

    async fn pruning_queue(&self, ttl: Duration) -> Arc<dyn TaskQueue> {
        self.open(self.settings().await.keep_completed(true).completed_ttl(ttl).dead_ttl(ttl)).await
    }

    /// The counts are those of the tasks, before and after a fold.
    async fn check(&self) {
        let client = self.db.get().unwrap().client().await;
        let differ = "select (select count(*) from (select * from omniq.queue_counts except select * from omniq.counted) a)
                      + (select count(*) from (select * from omniq.counted except select * from omniq.queue_counts) b)";
        for _ in 0..2 {
            assert_eq!(client.query_one(differ, &[]).await.unwrap().get::<_, i64>(0), 0);
            client.query("select omniq.fold()", &[]).await.unwrap();
        }
        let left = "select count(*) from omniq.unfolded()";
        assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    }
}

#[async_trait]
impl ResultFixture for Postgres {
    async fn results(&self) -> Arc<dyn ResultStorage> {
        let settings = self.settings().await.build().unwrap();
        Arc::new(AsyncPostgresResultStorage::with_settings(&settings).await.unwrap())
    }
}

#[async_trait]
impl EventFixture for Postgres {
    async fn events(&self) -> Arc<dyn EventStorage> {
        let settings = self.settings().await.build().unwrap();
        Arc::new(AsyncPostgresEventStorage::with_settings(&settings).await.unwrap())
    }
}

mod c05_queue {
    omniq_core::queue_conformance!(super::postgres());
}

mod c05_crowded_queue {
    omniq_core::queue_conformance!(super::crowded());
}

mod c05_results {
    omniq_core::result_conformance!(super::published());
}

mod c05_events {
    omniq_core::event_conformance!(super::published());
}

mod c05_blocking_queue {
    omniq_core::queue_conformance!(super::Blocking(super::postgres()));
}

mod c05_blocking_results {
    omniq_core::result_conformance!(super::Blocking(super::postgres()));
}

mod c05_blocking_events {
    omniq_core::event_conformance!(super::Blocking(super::postgres()));
}

mod c05_unprepared_queue {
    omniq_core::queue_conformance!(super::unprepared());
}

mod c05_unprepared_results {
    omniq_core::result_conformance!(super::unprepared());
}

mod c05_unprepared_events {
    omniq_core::event_conformance!(super::unprepared());
}
