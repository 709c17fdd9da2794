, logged as (
    insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
    select r.at, r.kind, r.task_id, r.queue, r.func, r.worker, r.attempt, r.data::jsonb
    from unnest($28::bigint[], $29::integer[], $30::timestamptz[], $31::text[], $32::uuid[], $33::text[], $34::text[],
                $35::text[], $36::integer[], $37::text[])
         with ordinality as r(no, place, at, kind, task_id, queue, func, worker, attempt, data, rank)
    join done d on d.no = r.no and {settle_done}
    order by r.rank
)
