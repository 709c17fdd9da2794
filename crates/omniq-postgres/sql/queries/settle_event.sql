, logged as (
    insert into {schema}.events (at, kind, task_id, queue, func, worker, attempt, data)
    select e.at, e.kind, e.task_id, e.queue, e.func, e.worker, e.attempt, e.data::jsonb
    from unnest($23::timestamptz[], $24::text[], $25::uuid[], $26::text[], $27::text[], $28::text[], $29::integer[],
                $30::text[])
         with ordinality as e(at, kind, task_id, queue, func, worker, attempt, data, place)
    join done d on d.id = e.task_id
    order by e.place
)
