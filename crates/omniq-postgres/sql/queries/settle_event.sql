, logged as (
    insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
    select r.at, r.kind, r.task_id, r.queue, r.func, r.worker, r.attempt, r.data::jsonb
    from unnest($29::integer[], $30::integer[], $31::timestamptz[], $32::text[], $33::uuid[], $34::text[], $35::text[],
                $36::text[], $37::integer[], $38::text[])
         with ordinality as r(no, place, at, kind, task_id, queue, func, worker, attempt, data, rank)
    join done d on d.no = r.no and {settle_done}
    order by r.rank
)
