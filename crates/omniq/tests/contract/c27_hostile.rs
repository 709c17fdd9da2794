//! C27: the worst that roles of `docs/roles.md` can do as attackers. Functions of the schema resolve no name through the search path of
//! their caller, and functions with the owner's rights are open only to roles to which they were granted (issue 12, B1 and B2).

use omniq_testkit::TestDb;
use tokio_postgres::Client;

use crate::c27_roles::{Role, direct};
use crate::witness::{full, number};

/// Functions of the schema, called as every role of the documentation calls them, and views. No statement names a type, function or
/// operator that is not qualified: so a capture has happened within the schema.
const CALLS: &[&str] = &[
    "select omniq.enqueue('f')",
    "select omniq.enqueue('f', '[1]', 'q', 2, delay => '1 hour', ttl => '1 day', metadata => '{\"a\": 1}', id => '01987cf2-6d5e-7000-8000-00000000c0de')",
    "select omniq.enqueue('f', run_at => '2000-01-01 00:00+00', id => '01987cf2-6d5e-7000-8000-00000000c0df')",
    "select omniq.id_in_use('{01987cf2-6d5e-7000-8000-00000000c0de,01987cf2-6d5e-7000-8000-00000000c0d0}')",
    "select omniq.hand_off('01987cf2-6d5e-7000-8000-00000000a0de', 'q', 'f', 'json', '[]', '0', 3, 5, null, '{}')",
    "select omniq.roll_up_counts(1)",
    "select omniq.roll_up_counts()",
    "select omniq.make_events_partition('0', '1 day')",
    "select omniq.make_results_partition('1 day', '1 day')",
    "select omniq.make_results_partition('400 days', '50 days')",
    "select omniq.drop_events_partition('1 day')",
    "select omniq.drop_results_partition('1 day')",
    "select omniq.recount()",
    "select omniq.has_listener('q')",
    "select omniq.open_inbox(7)",
    "select omniq.inbox_is_open(7)",
    "select omniq.close_inbox(7)",
    "select omniq.end_handoff(7, 'omniq_ear')",
    "select omniq.lease_end(7)",
    "select omniq.new_id()",
    "select omniq.zeros(3)",
    "select omniq.offset_of('01987cf2-6d5e-7000-8000-00000000c0de')",
    "select omniq.id_after('01987cf2-6d5e-7000-8000-00000000c0de', 2)",
    "select omniq.shift_mask('101', 1, 3)",
    "select omniq.this_cluster()",
    "select * from omniq.segment_of('01987cf2-6d5e-7000-8000-00000000c0de')",
    "select omniq.expiry(t, t.run_at) from omniq.tasks t",
    "select * from omniq.deltas_since_rollup()",
    "select * from omniq.counts_of(null)",
    "select * from omniq.queue_counts",
    "select * from omniq.scanned_counts",
    "select * from omniq.listeners",
    "select * from omniq.task_list",
    "select * from omniq.results",
    "select * from omniq.result('01987cf2-6d5e-7000-8000-00000000c0de')",
    "select omniq.remove_results('{01987cf2-6d5e-7000-8000-00000000c0de}', '{1}')",
    "select omniq.enqueue_in_transaction('[{\"id\": \"01987cf2-6d5e-7000-8000-00000000c0aa\", \"queue\": \"q\", \"func\": \"f\",
        \"codec\": \"json\", \"priority\": 0, \"max_retries\": 3, \"run_at\": \"2000-01-01 00:00+00\", \"delay\": null, \"ttl\": null,
        \"options\": null, \"metadata\": \"{}\", \"chosen\": true}]', '{[]}')",
    "select omniq.store_results('[{\"task_id\": \"01987cf2-6d5e-7000-8000-00000000c0de\", \"status\": \"failed\", \"codec\": null,
        \"error\": \"{}\", \"queue\": \"q\", \"func\": \"f\", \"worker\": \"w\", \"attempt\": 1, \"metadata\": \"{}\", \"ttl\": 3600,
        \"step\": 3600, \"enqueued_at\": null, \"started_at\": null, \"finished_at\": \"2000-01-01 00:00+00\"}]', '{null}')",
    "select omniq.add_events('[{\"at\": \"2000-01-01 00:00+00\", \"kind\": \"k\", \"task_id\":
        \"01987cf2-6d5e-7000-8000-00000000c0de\", \"attempt\": 1, \"data\": \"{}\"}]')",
    "select omniq.try_to_add_events('[{\"at\": \"2000-01-01 00:00+00\", \"kind\": \"k\"}]', '1 s')",
    // The task stays, and comes back.
    "select omniq.settle_in_transaction('{\"keep\": false, \"everything\": true, \"tasks\": [{\"id\":
        \"01987cf2-6d5e-7000-8000-00000000c0de\", \"worker\": 1, \"number\": 1, \"outcome\": \"retry_later\", \"delay\": 0,
        \"error\": \"{}\"}]}', '{null}')",
    "select omniq.settle_in_transaction('{\"keep\": false, \"everything\": true, \"tasks\": [{\"id\":
        \"01987cf2-6d5e-7000-8000-00000000c0de\", \"worker\": 1, \"number\": 1, \"outcome\": \"complete\", \"delay\": 0, \"error\": null,
        \"result\": {\"task_id\": \"01987cf2-6d5e-7000-8000-00000000c0de\", \"status\": \"completed\", \"codec\": \"json\", \"queue\": \"q\",
        \"func\": \"f\", \"attempt\": 1, \"ttl\": 3600, \"step\": 3600, \"finished_at\": \"2000-01-01 00:00+00\"},
        \"events\": [{\"at\": \"2000-01-01 00:00+00\", \"kind\": \"completed\"}]}]}', '{1}')",
];

/// Gives the task that `settle_in_transaction` settles to worker 1, with results of its own and of an earlier task with its id.
const HELD: &str = "
    insert into omniq.workers (name, queues, lease) values ('w', '{q}', '1 h');
    insert into omniq.heartbeats (worker, ends_at) select id, now() + interval '1 h' from omniq.workers;
    update omniq.tasks set state = 1, run_at = now(), worker = 1, claims = 1, attempt = 0
    where id = '01987cf2-6d5e-7000-8000-00000000c0de';
    insert into omniq.count_deltas (queue, ready) values ('q', 1);
    insert into omniq.result_segments (task_id, finished_at, expires_at, status, queue, func, count, \"values\", removed)
    values ('01987cf2-6d5e-7000-8000-00000000c0de', now(), 'infinity', 'completed', 'q', 'f', 1, '{null}', null),
           ('01987cf2-6d5e-7000-8000-00000000c0d0', now(), 'infinity', 'completed', 'q', 'f', 30, pg_catalog.array_fill(null::pg_catalog.bytea, array[30]), null)";

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Rights on everything, granted one by one: only the resolution of names is tested here.
async fn everything(role: &Role<'_>) {
    let grants = format!(
        "grant usage on schema omniq to {0}; grant all on all tables in schema omniq to {0};
         grant execute on all functions in schema omniq to {0}; grant create on database {1} to {0}",
        role.name,
        texts(&role.admin, "select current_database()::text").await[0]
    );
    role.admin.batch_execute(&grants).await.unwrap();
}

/// Calls everything, and returns what was captured. Any other error could hide a capture.
async fn captured(role: &Role<'_>, prepare: &str) -> Vec<String> {
    let attacker = direct(role).await;
    attacker.batch_execute(prepare).await.unwrap();
    let mut captured = Vec::new();
    for call in CALLS {
        if call.contains("omniq.settle_in_transaction") {
            role.admin.batch_execute(HELD).await.unwrap();
        }
        if let Err(error) = attacker.simple_query(call).await {
            captured.push(format!("{call}: {}", error.as_db_error().expect("an error of the server")));
        }
    }
    captured
}

/// SQL bodies are resolved when the schema is made, all others by a pinned path with `pg_temp` at its end.
#[tokio::test]
async fn c27_every_function_says_how_its_names_are_resolved() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let open = "select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'omniq'::regnamespace
          and not 'search_path=pg_catalog, pg_temp' = any (coalesce(p.proconfig, '{}'))
          and (p.prosecdef or p.prosqlbody is null) order by 1";
    let open = texts(&db.client().await, open).await;
    assert!(open.is_empty(), "{open:#?}");
}

/// A plan without sequential scans may cost enough, by its estimate, to be compiled on each call: that took 30 ms of a completion in the
/// user's transaction, whose session keeps the server's `jit`.
#[tokio::test]
async fn c27_a_function_that_plans_without_sequential_scans_is_never_compiled() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let functions = "select p.proname || ' ' || ('jit=off' = any (p.proconfig)) from pg_proc p
        where p.pronamespace = 'omniq'::regnamespace and 'enable_seqscan=off' = any (p.proconfig) order by 1";
    let functions = texts(&db.client().await, functions).await;
    assert!(functions.contains(&"settle_in_transaction true".to_owned()), "{functions:#?}");
    assert!(functions.iter().all(|function| function.ends_with(" true")), "{functions:#?}");
}

/// The attack of the issue, and similar ones: types in the caller's temporary schema must not stand for PostgreSQL's.
#[tokio::test]
async fn c27_types_in_pg_temp_are_not_taken_for_postgresqls() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let role = Role::new(&db, "temp").await;
    role.grant("enqueuer").await;
    let attacker = direct(&role).await;
    let domain = "
        create function pg_temp.evil(value pg_catalog.text) returns pg_catalog.bool language plpgsql
        as $$ begin raise exception 'it runs as %', current_user; end $$;
        create domain pg_temp.text as pg_catalog.text check (pg_temp.evil(value))";
    attacker.batch_execute(domain).await.unwrap();
    attacker.batch_execute("select omniq.roll_up_counts(1)").await.unwrap();
    attacker.batch_execute("select omniq.enqueue('f')").await.unwrap();

    everything(&role).await;
    let captured = captured(&role, include_str!("hostile/domains.sql")).await;
    assert!(captured.is_empty(), "{captured:#?}");
    role.drop().await;
}

/// Nothing resolves through the caller's path: not a function, operator, type or cast.
#[tokio::test]
async fn c27_nothing_resolves_through_the_path_of_the_caller() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let role = Role::new(&db, "path").await;
    everything(&role).await;
    let twins = format!("{}; set search_path = hostile, pg_catalog", include_str!("hostile/twins.sql"));
    let captured = captured(&role, &twins).await;
    assert!(captured.is_empty(), "{captured:#?}");
    role.drop().await;
}

/// Nor when the schema is made: its owner may have schemas of others in its path.
#[tokio::test]
async fn c27_nothing_resolves_through_the_path_of_who_makes_the_schema() {
    let db = TestDb::new().await;
    let admin = db.client().await;
    admin.batch_execute(include_str!("hostile/twins.sql")).await.unwrap();
    // After PostgreSQL's own schema, a better match is enough.
    let path = format!("alter database {} set search_path = hostile", db.name());
    admin.batch_execute(&path).await.unwrap();
    full(&db).await.close().await.unwrap();
    let path = format!("alter database {} set search_path = hostile, pg_catalog", db.name());
    admin.batch_execute(&path).await.unwrap();
    let sql = omniq::migrate::sql("other", &omniq::migrate::Part::ALL).unwrap();
    db.client().await.batch_execute(&sql).await.unwrap();
    let ours = "select pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) operator(pg_catalog.||) ': ' operator(pg_catalog.||)
            pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
        from pg_catalog.pg_depend d
        where d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
          and exists (select from pg_catalog.pg_proc p where p.oid operator(pg_catalog.=) d.refobjid
              and p.pronamespace operator(pg_catalog.=) 'hostile'::pg_catalog.regnamespace::pg_catalog.oid)
          -- What stands in that schema may: the operators, and the rules of the domains.
          and d.classid operator(pg_catalog.<>) 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
          and d.classid operator(pg_catalog.<>) 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid";
    let captured = texts(&admin, ours).await;
    assert!(captured.is_empty(), "{captured:#?}");
}

/// By default every role may call a new function. Functions with the owner's rights are excluded, and so are trigger functions, which a
/// trigger on a table of the caller would call.
#[tokio::test]
async fn c27_nothing_with_the_owners_rights_is_open_to_every_role() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let open = "select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'omniq'::regnamespace and (p.prosecdef or p.prorettype = 'trigger'::regtype)
          and has_function_privilege('public', p.oid, 'execute') order by 1";
    let open = texts(&db.client().await, open).await;
    assert!(open.is_empty(), "{open:#?}");

    let role = Role::new(&db, "reader").await;
    role.grant("reader").await;
    let attacker = direct(&role).await;
    for denied in [
        "select omniq.roll_up_counts(0)",
        "select omniq.recount()",
        "select omniq.make_events_partition('3 days', '1 hour')",
        "select omniq.make_results_partition('3 days', '1 hour')",
        "select omniq.id_in_use('{01987cf2-6d5e-7000-8000-00000000c0de}')",
        "select omniq.hand_off('01987cf2-6d5e-7000-8000-00000000c0de', 'q', 'f', 'json', '[]', '0', 3, 5, null, null)",
        // A role that listens on a worker's channel could hand it tasks of its own.
        "select channel from omniq.workers",
        "create temp table mine (); create trigger t after truncate on mine execute function omniq.recount_truncated();
         truncate mine",
    ] {
        let error = attacker.batch_execute(denied).await.expect_err(denied);
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{denied}: {error:?}");
    }
    role.drop().await;
}

/// Whatever is asked for, partitions stay few, and rollups without deltas write nothing.
#[tokio::test]
async fn c27_absurd_arguments_make_neither_partitions_nor_roll_ups() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let role = Role::new(&db, "worker").await;
    role.grant("worker").await;
    let attacker = direct(&role).await;
    let many = "do $$ begin
        for i in 1..2000 loop
            perform omniq.make_results_partition(interval '1 h' * (i * 7 % 4000), interval '1 h' + interval '1 us' * i);
            perform omniq.make_events_partition(interval '1 h' * (i * 11 % 4000), interval '1 h' + interval '61 min' * (i % 5));
        end loop;
    end $$";
    attacker.batch_execute(many).await.unwrap();
    for kind in ["results", "events"] {
        let made = number(&role.admin, &format!("select count(*) from omniq.{kind}_partitions")).await;
        assert!((10..=120).contains(&made), "{kind}: {made}");
    }
    for range in [
        "'300 years', '1 h'",
        "'-1000 h', '1 h'",
        "'150 years', '0'",
        "'150 years', '30 years'",
        "'infinity', '1 h'",
        "null, '1 h'",
        "'150 years', null",
    ] {
        if range.contains("infinity")
            && number(&role.admin, "select current_setting('server_version_num')::bigint").await < 170_000
        {
            continue;
        }
        let call = format!("select omniq.make_results_partition({range})");
        let error = attacker.batch_execute(&call).await.expect_err(&call);
        assert_eq!(error.code().map(|code| code.code()), Some("22023"), "{call}: {error:?}");
    }

    let fold = "select max(rollup) from omniq.count_rollups";
    let before = number(&role.admin, fold).await;
    for none in ["0", "-1", "null"] {
        attacker.batch_execute(&format!("select omniq.roll_up_counts({none})")).await.unwrap();
    }
    assert_eq!(number(&role.admin, fold).await, before, "there was nothing to fold");
    role.drop().await;
}

/// Bounds of partitions are the same whatever the caller's settings (issue 12, C6).
#[tokio::test]
async fn c27_partitions_do_not_depend_on_the_settings_of_who_makes_them() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let client = db.client().await;
    let settings = [
        "set datestyle = 'postgres, dmy'; set timezone = 'Asia/Kolkata'",
        "set datestyle = 'german'; set timezone = '<+05>-5:45'; set intervalstyle = 'sql_standard'",
        "set datestyle = 'sql, mdy'; set timezone = 'Asia/Kathmandu'; set standard_conforming_strings = off",
        "set datestyle = 'iso, ymd'; set timezone = 'America/New_York'",
    ];
    for (place, setting) in settings.iter().enumerate() {
        client.batch_execute("reset all").await.unwrap();
        client.batch_execute(setting).await.unwrap();
        // A year, so that clocks change.
        let make = format!(
            "select omniq.make_{{kind}}_partition(interval '1 h' * {place} + interval '10 days' * n, '1 day') from generate_series(0, 36) n"
        );
        for kind in ["results", "events"] {
            client.batch_execute(&make.replace("{kind}", kind)).await.unwrap();
        }
        client.batch_execute("select omniq.enqueue('f', metadata => '{\"a\": 1}')").await.unwrap();
    }
    client.batch_execute("reset all; set timezone = 'utc'").await.unwrap();
    let differ = "select p.name || ': ' || pg_get_expr(c.relpartbound, c.oid) || ' is not ' || p.starts || ' to ' || p.ends
        from (select * from omniq.results_partitions union all select * from omniq.events_partitions) p
        join pg_class c on c.relname = p.name and c.relnamespace = 'omniq'::regnamespace
        where pg_get_expr(c.relpartbound, c.oid) <> format('FOR VALUES FROM (''%s'') TO (''%s'')', p.starts, p.ends)
           or p.starts <> date_trunc('day', p.starts) or p.ends <> date_trunc('day', p.ends) or p.name not like '%' || to_char(p.starts, 'YYYYMMDD_HH24MI')";
    let differ = texts(&client, differ).await;
    assert!(differ.is_empty(), "{differ:#?}");
}
