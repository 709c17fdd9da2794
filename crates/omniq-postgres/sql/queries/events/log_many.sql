-- Adds events in the order given.
-- params: ats timestamptz[], kinds text[], tasks uuid[], queues text[], funcs text[], workers text[], attempts integer[], data text[]
-- writes: events
insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
select e.at, e.kind, e.task_id, e.queue, e.func, e.worker, e.attempt, e.data::jsonb
from unnest(:ats, :kinds, :tasks, :queues, :funcs, :workers, :attempts, :data)
     with ordinality as e(at, kind, task_id, queue, func, worker, attempt, data, ord)
order by e.ord
