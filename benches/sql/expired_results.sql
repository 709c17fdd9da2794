-- What it costs to be rid of 10 million results whose time is over, all partitions of a week:
--   omniq db migrate && psql "$(omniq dev url)" -f benches/sql/expired_results.sql
\set QUIET on
set search_path = omniq;
do $$
begin
    for day in 1..8 loop
        execute format('create table omniq.results_past_%s (like omniq.result_segments including defaults including indexes including storage)', day);
        execute format('alter table omniq.result_segments attach partition omniq.results_past_%s for values from (%L) to (%L)',
            day, date_trunc('day', now()) - (day + 1) * interval '1 day', date_trunc('day', now()) - day * interval '1 day');
        insert into omniq.results_partitions values ('results_past_' || day,
            date_trunc('day', now()) - (day + 1) * interval '1 day', date_trunc('day', now()) - day * interval '1 day');
    end loop;
end
$$;
\echo 'Storing 10 million results'
insert into result_segments (task_id, status, queue, func, worker, attempt, codec, "values", enqueued_at, started_at, finished_at, expires_at)
select gen_random_uuid(), 'completed', 'default', 'noop', 'host:1', 1, 'json', '{1}', now(), now(), now(),
       date_trunc('day', now()) - interval '1 day' - n * interval '69 milliseconds'
from generate_series(1, 10000000) n;
select pg_size_pretty(sum(pg_total_relation_size(relid))) as before from pg_partition_tree('result_segments');
checkpoint;
\timing on
select format('select drop_results_partition(%L)', '0') from generate_series(1, 8) \gexec
\timing off
select pg_size_pretty(sum(pg_total_relation_size(relid))) as after, count(*) - 1 as partitions from pg_partition_tree('result_segments');
