-- The view of tasks.

-- Tasks, one row each.
create view {schema}.task_list as
select {schema}.id_after(t.id, b.ord::integer - 1) as id, t.seq - t.count + b.ord as seq, t.queue, t.func, t.priority,
       case when t.state = 0 then 'scheduled'
            when t.state = 1 and t.worker is null then 'ready'
            when t.state = 1 then 'running'
            when t.state = 2 then 'blocked'
            when t.state = 3 then 'dead'
            when t.state = 4 then 'completed'
       end as state,
       t.attempt, t.max_retries, t.run_at, t.expires_at, t.created_at, t.claimed_at, t.ended_at,
       w.name as worker, t.codec, b.payload, t.metadata, t.error
from {schema}.tasks t
cross join lateral unnest(t.payloads) with ordinality as b(payload, ord)
left join {schema}.workers w on w.id = t.worker
where t.removed is null or substring(t.removed from b.ord::integer for 1) = B'0';
