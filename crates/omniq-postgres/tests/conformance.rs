//! The suite of the interfaces on PostgreSQL: async, through the blocking twins, as through a pooler, and under a role whose
//! settings would change what statements mean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::conformance::{Blocking, EventFixture, QueueFixture, ResultFixture, ScheduleFixture};
use omniq_core::*;
use omniq_postgres::settings::{Builder, Settings};
use omniq_postgres::{
    AsyncPostgresEventStorage, AsyncPostgresQueue, AsyncPostgresResultStorage, AsyncPostgresScheduleStorage,
};
use omniq_testkit::{Pooler, TestDb};
use tokio::sync::OnceCell;

/// A database for each fixture, made when the first storage is asked for.
struct Postgres {
    db: OnceCell<TestDb>,
    statement_cache: bool,
    crowded: bool,
    grown: bool,
    /// All tables are published for logical replication.
    published: bool,
    // After `db`, because fields are dropped in order, and a role can be removed only after its database.
    hostile: Option<Hostile>,
}

/// A role with hostile settings, used directly, or through a pooler with two server connections of that role.
struct Hostile {
    pooled: bool,
    role: OnceCell<Role>,
}

/// A role, which is removed on drop because it would outlive its database.
struct Role {
    name: String,
    url: String,
    _pooler: Option<Pooler>,
}

fn postgres() -> Postgres {
    Postgres {
        db: OnceCell::new(),
        statement_cache: true,
        crowded: false,
        grown: false,
        published: false,
        hostile: None,
    }
}

/// As `postgres`, with all tables published.
fn published() -> Postgres {
    Postgres { published: true, ..postgres() }
}

fn hostile() -> Postgres {
    Postgres { hostile: Some(Hostile { pooled: false, role: OnceCell::new() }), ..postgres() }
}

fn hostile_pooled() -> Postgres {
    Postgres { hostile: Some(Hostile { pooled: true, role: OnceCell::new() }), ..postgres() }
}

/// Without prepared statements, as behind a pooler that hands out connections by transaction.
fn unprepared() -> Postgres {
    Postgres { statement_cache: false, ..postgres() }
}

/// Every task that is enqueued alone becomes the first of a segment whose other tasks are removed; all tables are published.
fn crowded() -> Postgres {
    Postgres { crowded: true, published: true, ..postgres() }
}

/// Makes a row of two to four tasks, except for tasks that are singled out: these are older than their statement. The length
/// depends on the id, so that an id that is used again is still detected.
const CROWD: &str = "
    create or replace function omniq.crowd() returns trigger language plpgsql as $$
    declare others integer := 1 + get_byte(uuid_send(new.id), 13) % 3;
    begin
        -- A task that is unique, or linked, has a row of its own.
        if coalesce(new.options ? 'unique', false) or new.linked then
            return new;
        end if;
        new.count := 1 + others;
        new.removed := ('0' || repeat('1', others))::bit varying;
        new.payloads := new.payloads || array_fill('gone'::bytea, array[others]);
        return new;
    end $$;
    create or replace trigger crowd before insert on omniq.tasks for each row
    when (new.count = 1 and new.created_at >= statement_timestamp()) execute function omniq.crowd()";

/// A task that is claimed from a row of its own stands among others right after, which were removed. So its settlement is always sent twice:
/// the shorter statement does not find it.
fn grown() -> Postgres {
    Postgres { grown: true, ..postgres() }
}

/// The answer of the claim is made before this trigger fires, and tells of a row of one task.
const GROW: &str = "
    create or replace function omniq.grow() returns trigger language plpgsql as $$
    begin
        update omniq.tasks
        set count = 70, removed = ('0' || repeat('1', 69))::bit varying, payloads = payloads || array_fill('gone'::bytea, array[69]),
            seq = seq + 69
        where id = new.id and count = 1 and omniq.offset_of(id) < 65000;
        return null;
    end $$;
    create or replace trigger grow after insert or update on omniq.tasks for each row
    when (new.count = 1 and new.worker is not null) execute function omniq.grow()";

impl Hostile {
    async fn make(&self, db: &TestDb) -> Role {
        let name = format!("hostile_{}", db.name());
        let sql = include_str!("hostile.sql").replace("{role}", &name).replace("{database}", db.name());
        db.client().await.batch_execute(&sql).await.unwrap();
        let url = db.url();
        let (_, address) = url.rsplit_once('@').unwrap();
        let url = format!("postgresql://{name}:secret@{address}");
        // The role makes the schema itself. Afterwards its time for a statement is one that a busy machine keeps.
        migrated(url.clone()).await;
        db.client()
            .await
            .batch_execute(&format!("alter role {name} set statement_timeout = '5s'"))
            .await
            .unwrap();
        let pooler = self.pooled.then(|| Pooler::at(&url, ""));
        let url = pooler.as_ref().map_or(url, |pooler| pooler.url().to_owned());
        Role { name, url, _pooler: pooler }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let sql = format!("drop role if exists {}", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let server = omniq_testkit::server_url();
                let (client, connection) =
                    tokio_postgres::connect(&server, tokio_postgres::NoTls).await.ok()?;
                tokio::spawn(connection);
                client.batch_execute(&sql).await.ok()
            })
        });
        let _ = dropped.join();
    }
}

/// Makes the tables of all parts.
async fn migrated(url: String) {
    let settings = Settings::from_url(&url).unwrap();
    AsyncPostgresQueue::with_settings(&settings).await.unwrap().close().await.unwrap();
    AsyncPostgresResultStorage::with_settings(&settings).await.unwrap().close().await.unwrap();
    AsyncPostgresEventStorage::with_settings(&settings).await.unwrap().close().await.unwrap();
}

impl Postgres {
    async fn settings(&self) -> Builder {
        let db = self.db.get_or_init(async || {
            // A hostile role makes the schema itself: see `make`.
            let db = match self.hostile {
                Some(_) => TestDb::new().await,
                None => TestDb::copy_of("migrated", migrated).await,
            };
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
        let url = match &self.hostile {
            Some(hostile) => hostile.role.get_or_init(|| hostile.make(db)).await.url.clone(),
            None => db.url(),
        };
        Settings::builder().url(url).pool_min(0).statement_cache(self.statement_cache)
    }

    async fn open(&self, settings: Builder) -> Arc<dyn TaskQueue> {
        let queue = AsyncPostgresQueue::with_settings(&settings.build().unwrap()).await.unwrap();
        if self.crowded {
            self.db.get().unwrap().client().await.batch_execute(CROWD).await.unwrap();
        }
        if self.grown {
            self.db.get().unwrap().client().await.batch_execute(GROW).await.unwrap();
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

    /// The counts are those of the tasks, before and after a rollup.
    async fn check(&self) {
        let client = self.db.get().unwrap().client().await;
        let differ = "select (select count(*) from (select * from omniq.queue_counts except select * from omniq.scanned_counts) a)
                      + (select count(*) from (select * from omniq.scanned_counts except select * from omniq.queue_counts) b)";
        for _ in 0..2 {
            assert_eq!(client.query_one(differ, &[]).await.unwrap().get::<_, i64>(0), 0);
            client.query("select omniq.roll_up_counts()", &[]).await.unwrap();
        }
        let left = "select count(*) from omniq.deltas_since_rollup()";
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

#[async_trait]
impl ScheduleFixture for Postgres {
    async fn schedules(&self) -> Arc<dyn ScheduleStorage> {
        let settings = self.settings().await.build().unwrap();
        Arc::new(AsyncPostgresScheduleStorage::with_settings(&settings).await.unwrap())
    }

    async fn queue(&self) -> Arc<dyn TaskQueue> {
        QueueFixture::queue(self).await
    }
}

mod c05_queue {
    omniq_core::queue_conformance!(super::postgres());
}

mod c05_crowded_queue {
    omniq_core::queue_conformance!(super::crowded());
}

/// A selection of the tests of the queue: claims and settlements of all kinds.
mod c05_grown_queue {
    omniq_core::conformance_tests! {
        queue, super::grown(),
        claims::c16_every_task_is_claimed_once,
        concurrent::c16_verbs_at_the_same_time_are_linearizable,
        fencing::c17_only_the_present_claim_settles,
        fencing::c18_settle_each_answers_for_each,
        fencing::c20_settle_all_is_all_or_nothing,
        outcomes::c18_complete_removes_the_task,
        outcomes::c18_discard_removes_the_task,
    }
}

mod c05_results {
    omniq_core::result_conformance!(super::published());
}

mod c05_events {
    omniq_core::event_conformance!(super::published());
}

mod c05_schedules {
    omniq_core::schedule_conformance!(super::published());
}

/// A selection: what the twin passes on is shown in memory.
mod c05_blocking_schedules {
    omniq_core::conformance_tests! {
        schedules, super::Blocking(super::postgres()),
        keep::c13_after_close_every_verb_fails,
        keep::c22_a_saved_schedule_comes_back,
        ticks::c22_a_due_tick_enqueues_its_task,
        ticks::c22_trigger_enqueues_by_hand,
    }
}

/// A selection: what looks at tasks by their rows.
mod c05_crowded_schedules {
    omniq_core::conformance_tests! {
        schedules, super::crowded(),
        ticks::c22_without_overlap_one_of_several_ticks_runs,
        ticks::c22_without_overlap_ticks_are_skipped_while_a_task_runs,
    }
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

/// Issue 12, C6: a selection of the tests of the queue, because they take the most time, and each takes a database and a role; all tests of
/// results and events.
macro_rules! hostile_conformance {
    ($fixture:path) => {
        mod queue {
            omniq_core::conformance_tests! {
                queue, $fixture(),
                bulk::c20_bulk_of_many_tasks,
                claims::c16_every_task_is_claimed_once,
                dependencies::c22_a_task_shares_the_fate_of_its_predecessor,
                dependencies::c22_random_sequences_on_dependencies_follow_the_model,
                enqueue::c14_enqueue_keeps_every_option,
                enqueue::c14_one_of_many_wins_an_id,
                expiry::c22_an_expired_task_is_not_run,
                leases::c17_lost_worker_tasks_come_back_and_late_finish_is_refused,
                look::c18_list_and_count_follow_the_filter,
                look::c19_figures_of_every_queue,
                manage::c18_cancel_asks_a_running_task_to_stop,
                manage::c18_purge_leaves_running_tasks,
                manage::c18_prune_removes_what_ended_long_ago,
                order::c15_due_tasks_join_in_order,
                outcomes::c18_retry_later_counts_the_attempt,
                pausing::c18_pause_stops_claims_only,
                update::c18_update_changes_what_is_named,
                values::c24_arguments_come_back_with_their_type,
                waiting::c15_a_due_task_ends_a_waiting_dequeue,
                walk::c18_random_sequences_of_verbs_follow_the_state_machine,
            }
        }

        mod results {
            omniq_core::result_conformance!($fixture());
        }

        mod events {
            omniq_core::event_conformance!($fixture());
        }

        mod schedules {
            omniq_core::conformance_tests! {
                schedules, $fixture(),
                code::c22_what_a_live_worker_declares_is_there,
                code::c22_what_leaves_the_code_is_removed,
                keep::c22_a_saved_schedule_comes_back,
                keep::c22_list_follows_the_filter,
                ticks::c22_a_due_tick_enqueues_its_task,
                ticks::c22_pause_stops_ticks_and_resume_goes_on,
                ticks::c22_trigger_enqueues_by_hand,
                ticks::c22_without_overlap_ticks_are_skipped_while_a_task_runs,
                walk::c22_verbs_at_the_same_time_lose_and_double_no_tick,
            }
        }
    };
}

mod c06_hostile {
    hostile_conformance!(crate::hostile);
}

mod c06_hostile_pooled {
    hostile_conformance!(crate::hostile_pooled);
}
