-- $1 queue text
-- $2 state int2
-- $3 running bool
-- $4 func text
-- $5 error text
-- $6 error_start text
-- $7 since timestamptz
-- $8 until timestamptz
-- $9 max_seq int8
-- omniq: purge
with mine as materialized (
    select t.ctid as tid
    from "omniq".tasks t
    where ($1 is null or t.queue = $1)
  and ($2 is null or t.state = $2)
  and ($3 is null or (t.worker is not null) = $3)
  and ($4 is null or t.func = $4)
  and ($5 is null or t.error->>'type' = $5)
  and ($6 is null or starts_with(t.error->>'type', $6))
  and ($7 is null or t.created_at >= $7)
  and ($8 is null or t.created_at < $8)
  and ($9 is null or t.seq <= $9) and t.worker is null
    -- In one order, so that two calls never deadlock.
    order by t.id, t.count
    for update
), deleted as (
    delete from "omniq".tasks t using mine m
    where t.ctid = m.tid
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
select (select coalesce(sum(d.tasks), 0) from deleted d)::bigint,
       case when "omniq".has_waits('')
            then (select "omniq".ring(array_agg(d.id), array_agg((~coalesce(d.removed, "omniq".zeros(d.count)))::bit varying))
                  from deleted d) end
