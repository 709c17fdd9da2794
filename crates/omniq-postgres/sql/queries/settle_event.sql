, logged as (
    insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
    select r.at, r.kind, r.task_id, r.queue, r.func, r.worker, r.attempt, r.data::jsonb
    from unnest($32::integer[], $33::integer[], $34::timestamptz[], $35::text[], $36::uuid[], $37::text[], $38::text[],
                $39::text[], $40::integer[], $41::text[])
         with ordinality as r(no, distance, at, kind, task_id, queue, func, worker, attempt, data, rank)
    join done d on d.no = r.no and {settle_done}
    order by r.rank
)
