-- Adds events in the order given.
insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
select e.at, e.kind, e.task_id, e.queue, e.func, e.worker, e.attempt, e.data::jsonb
from unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[])
     with ordinality as e(at, kind, task_id, queue, func, worker, attempt, data, ord)
order by e.ord
