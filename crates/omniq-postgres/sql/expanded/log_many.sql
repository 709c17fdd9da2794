-- $1 ats timestamptz[]
-- $2 kinds text[]
-- $3 tasks uuid[]
-- $4 queues text[]
-- $5 funcs text[]
-- $6 workers text[]
-- $7 attempts int4[]
-- $8 data text[]
-- omniq: log_many
insert into "omniq".events (at, kind, task_id, queue, func, worker, attempt, data)
select e.at, e.kind, e.task_id, e.queue, e.func, e.worker, e.attempt, e.data::jsonb
from unnest($1, $2, $3, $4, $5, $6, $7, $8)
     with ordinality as e(at, kind, task_id, queue, func, worker, attempt, data, ord)
order by e.ord
