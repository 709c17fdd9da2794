locked as materialized (
    -- The tasks in `given` that exist, each in a row of its own after single_out.sql, or in the row that a worker holds; locked. If the row
    -- that this statement saw is gone once the lock is granted, the task has moved to another row: then the transaction is rolled back and
    -- repeated.
    select g.id, t.worker, t.state, t.queue, t.seq - r.count + 1 + {schema}.offset_of(g.id) - {schema}.offset_of(r.id) as seq
    from (select distinct id from given order by id) g
    cross join lateral {schema}.segment_of(g.id) r
    left join lateral (
        select t.worker, t.state, t.queue, t.seq
        from {schema}.tasks t
        where t.id = any (array[r.id]) and t.count = r.count and (t.count = 1 or t.worker is not null)
          and case when t.id = r.id and t.count = r.count
                   then t.removed is null or get_bit(t.removed, {schema}.offset_of(g.id) - {schema}.offset_of(r.id)) = 0 end
        for update
    ) t on true
    where case when t.state is null then {schema}.refuse('OQ005', format('task %s has moved to another row', g.id))
               else true end
)
