-- $1 queue text
-- $2 state int2
-- $3 running bool
-- $4 func text
-- $5 error text
-- $6 error_start text
-- $7 since timestamptz
-- $8 until timestamptz
-- $9 max_seq int8
-- $10 after_id uuid
-- $11 after_count int4
-- $12 limit int8
-- omniq: delete_all
with seen as materialized (
    -- The page of rows that the filter selects, in the order of ids.
    select t.id, t.count
    from "omniq".tasks t
    where ($1 is null or t.queue = $1)
  and ($2 is null or t.state = $2)
  and ($3 is null or (t.worker is not null) = $3)
  and ($4 is null or t.func = $4)
  and ($5 is null or t.error->>'type' = $5)
  and ($6 is null or starts_with(t.error->>'type', $6))
  and ($7 is null or t.created_at >= $7)
  and ($8 is null or t.created_at < $8)
  and ($9 is null or t.seq <= $9) and t.worker is null and ($10 is null or (t.id, t.count) > ($10, $11))
    order by t.id, t.count
    limit $12
), page as materialized (
    -- Of them those that it still selects under their locks. If a row that this statement saw is gone once the lock is granted, its tasks
    -- have moved to other rows, or were removed: then the transaction is rolled back and repeated.
    select s.id, s.count, l.state
    from (select * from seen order by id, count) s
    left join lateral (
        select t.state, coalesce(($1 is null or t.queue = $1)
  and ($2 is null or t.state = $2)
  and ($3 is null or (t.worker is not null) = $3)
  and ($4 is null or t.func = $4)
  and ($5 is null or t.error->>'type' = $5)
  and ($6 is null or starts_with(t.error->>'type', $6))
  and ($7 is null or t.created_at >= $7)
  and ($8 is null or t.created_at < $8)
  and ($9 is null or t.seq <= $9) and t.worker is null, false) as fits
        from "omniq".tasks t
        where t.id = any (array[s.id]) and t.count = s.count
        for update
    ) l on true
    where case when l.state is null then "omniq".refuse('OQ005', format('the row of task %s is gone', s.id)) else l.fits end
), last as (
    select s.id, s.count from seen s order by s.id desc, s.count desc limit 1
), deleted as (
    delete from "omniq".tasks t using page p
    where t.id = any (array[p.id]) and t.count = p.count
    returning t.queue, t.state, (t.count - coalesce(bit_count(t.removed), 0)) as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), noted as (
    insert into "omniq".end_notes (tasks, how)
    select array_agg("omniq".id_after(d.id, p.index)), 3
    from deleted d
    cross join lateral generate_series(0, d.count - 1) as p(index)
    where d.linked and (d.removed is null or get_bit(d.removed, p.index) = 0)
    having count(*) > 0
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4), sum(m.tasks) filter (where m.state = 2)
    from moved m
    group by m.queue
)
select coalesce((select sum(d.tasks) from deleted d), 0)::bigint, (select count(*) from seen), (select l.id from last l),
       (select l.count from last l),
       case when "omniq".has_waits('')
            then (select "omniq".ring(array_agg(d.id), array_agg((~coalesce(d.removed, "omniq".zeros(d.count)))::bit varying))
                  from deleted d) end
