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
-- omniq: retry_all
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
), without_key as materialized (
    -- Tasks that are unique have rows of their own.
    select k.task from "omniq".retake_keys(array(select p.id from page p where p.count = 1)) k
), changed as (
    update "omniq".tasks t
    set state = -- One that waits for others may have to wait again; advance.sql looks.
        case when t.linked and t.state = 3 and exists (select from "omniq".nodes n where n.id = t.id and n.wait is not null)
             then 2 else 1 end,
        attempt = case when p.state = 3 then 0 else t.attempt end,
        run_at = clock_timestamp(),
        ended_at = null,
        expires_at = "omniq".expiry(t, clock_timestamp())
    from page p
    where t.id = any (array[p.id]) and t.count = p.count and p.state in (0, 3) and p.id not in (select task from without_key)
    returning t.queue, t.state, p.state as was, (t.count - coalesce(bit_count(t.removed), 0)) as tasks, t.id, t.count, t.removed, t.linked
), moved as (
    select c.queue, m.state, false as running, m.tasks
    from changed c
    cross join lateral (values (c.was, -c.tasks), (c.state, c.tasks)) as m(state, tasks)
), noted as (
    insert into "omniq".end_notes (tasks, how)
    select array_agg("omniq".id_after(c.id, p.index)), 4
    from changed c
    cross join lateral generate_series(0, c.count - 1) as p(index)
    where c.linked and c.was = 3 and (c.removed is null or get_bit(c.removed, p.index) = 0)
    having count(*) > 0
), deltas as (
    insert into "omniq".count_deltas (queue, ready, scheduled, running, dead, completed, blocked)
    select m.queue,
           sum(m.tasks) filter (where m.state = 1 and not m.running), sum(m.tasks) filter (where m.state = 0),
           sum(m.tasks) filter (where m.state = 1 and m.running), sum(m.tasks) filter (where m.state = 3),
           sum(m.tasks) filter (where m.state = 4), sum(m.tasks) filter (where m.state = 2)
    from moved m
    group by m.queue
), notified as (
    select pg_notify('omniq_092ce6ae226869cf', q.queue)
    from (select distinct queue from changed) q
    where "omniq".has_listener(q.queue)
)
select coalesce((select sum(c.tasks) from changed c), 0)::bigint, (select count(*) from seen), (select l.id from last l),
       (select l.count from last l), (select count(*) from notified)
