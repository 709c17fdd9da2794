-- 100,000 rows in each table: mostly of the usual kind, a few of the rare ones. For the test of plans.
insert into omniq.tasks (id, queue, func, payloads, state, run_at, created_at, expires_at)
select ('01920000-0000-7000-8000-' || lpad(to_hex(n::bigint * 65536), 12, '0'))::uuid,
       case when n % 1000 = 0 then 'rare' else 'usual' end, 'f', array['[]'::bytea],
       case when n % 5000 = 0 then 3 when n % 3000 = 0 then 0 else 1 end,
       now(), now(), case when n % 100 = 0 then now() + interval '1 hour' end
from generate_series(1, 100000) n;

select omniq.make_results_partition(ahead, '1 day') from unnest(array['0', '1 day', '2 days']::interval[]) as a(ahead);
insert into omniq.result_segments (task_id, status, queue, func, finished_at, expires_at)
select gen_random_uuid(), case when n % 1000 = 0 then 'failed' else 'completed' end, 'q', 'f',
       now() - n * interval '1 second', now() + (100000 - n) * interval '1 second'
from generate_series(1, 100000) n;
-- And rows of many.
insert into omniq.result_segments (task_id, count, "values", status, queue, func, finished_at, expires_at)
select ('01920000-0000-7000-9000-' || lpad(to_hex(n::bigint * 65536), 12, '0'))::uuid, 50, array_fill('1'::bytea, array[50]),
       'completed', 'q', 'f', now() - n * interval '10 seconds', now() + (100000 - n * 10) * interval '1 second'
from generate_series(1, 10000) n;

select omniq.make_events_partition('0', '1 day');
insert into omniq.events (at, kind, task_id, queue, worker)
select now() - (100000 - n) * interval '1 second',
       case when n % 1000 = 0 then 'failed' when n % 2 = 0 then 'started' else 'completed' end,
       gen_random_uuid(), 'q', 'w'
from generate_series(1, 100000) n;

select omniq.recount();
-- As many changes, folded but for the last few.
insert into omniq.count_deltas (queue, ready, running)
select 'usual', case n % 2 when 0 then 1 else -1 end, case n % 2 when 0 then -1 else 1 end from generate_series(1, 100000) n;
select omniq.roll_up_counts();
insert into omniq.count_deltas (queue, ready) select 'usual', 0 from generate_series(1, 100) n;

analyze omniq.tasks, omniq.result_segments, omniq.events, omniq.count_deltas, omniq.count_rollups, omniq.count_totals;

insert into omniq.schedules (name, app, created_at, anchor, next_at, paused_at, definition, payload)
select 's' || n, case when n % 100 = 0 then 'shop' end, now(), now(), now() + (n - 50) * interval '1 second',
       case when n % 1000 = 0 then now() end, '{"task": {"func": "f", "queue": "q"}}', 'null'
from generate_series(1, 100000) n;
insert into omniq.schedule_ticks (schedule, at, task_id)
select 's' || 1 + n % 1000, now() - n * interval '1 second', gen_random_uuid() from generate_series(1, 100000) n;
analyze omniq.schedules, omniq.schedule_ticks;

-- Keys of tasks that have gone.
insert into omniq.keys (key, task_id, until_start, look_at)
select 'k' || n, gen_random_uuid(), false, now() + (n - 1000) * interval '1 second' from generate_series(1, 100000) n;
analyze omniq.keys;
