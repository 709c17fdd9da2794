seen as materialized (
    -- The page of rows that the filter selects, in the order of ids.
    select t.id, t.count
    from {schema}.tasks t
    where {task_filter} and t.worker is null and (:after_id is null or (t.id, t.count) > (:after_id, :after_count))
    order by t.id, t.count
    limit :limit
), page as materialized (
    -- Of them those that it still selects under their locks. If a row that this statement saw is gone once the lock is granted, its tasks
    -- have moved to other rows, or were removed: then the transaction is rolled back and repeated.
    select s.id, s.count, l.state
    from (select * from seen order by id, count) s
    left join lateral (
        select t.state, coalesce({task_filter} and t.worker is null, false) as fits
        from {schema}.tasks t
        where t.id = any (array[s.id]) and t.count = s.count
        for update
    ) l on true
    where case when l.state is null then {schema}.refuse('OQ005', format('the row of task %s is gone', s.id)) else l.fits end
), last as (
    select s.id, s.count from seen s order by s.id desc, s.count desc limit 1
)
