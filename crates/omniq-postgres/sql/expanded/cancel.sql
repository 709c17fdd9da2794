-- $1 ids uuid[]
-- $2 withdraw bool
-- omniq: cancel
with given as (
    select u.id, u.rank from unnest($1) with ordinality as u(id, rank)
), locked as materialized (
    -- The tasks in `given` that exist, each in a row of its own after single_out.sql, or in the row that a worker holds; locked. If the row
    -- that this statement saw is gone once the lock is granted, the task has moved to another row: then the transaction is rolled back and
    -- repeated.
    select g.id, t.worker, t.state, t.queue, t.seq - r.count + 1 + "omniq".offset_of(g.id) - "omniq".offset_of(r.id) as seq
    from (select distinct id from given order by id) g
    cross join lateral "omniq".segment_of(g.id) r
    left join lateral (
        select t.worker, t.state, t.queue, t.seq
        from "omniq".tasks t
        where t.id = any (array[r.id]) and t.count = r.count and (t.count = 1 or t.worker is not null)
          and case when t.id = r.id and t.count = r.count
                   then t.removed is null or get_bit(t.removed, "omniq".offset_of(g.id) - "omniq".offset_of(r.id)) = 0 end
        for update
    ) t on true
    where case when t.state is null then "omniq".refuse('OQ005', format('task %s has moved to another row', g.id))
               else true end
), deleted as (
    delete from "omniq".tasks t using locked h
    where $2 and t.id = any (array[h.id]) and t.count + 0 = 1 and h.worker is null and h.state in (0, 1, 2)
    returning t.id, t.queue, t.state, (t.count - coalesce(bit_count(t.removed), 0)) as tasks, t.count, t.removed, t.linked
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
), locked_workers as materialized (
    -- In the order of their ids, so that two calls never deadlock.
    select w.id from "omniq".workers w
    where w.id = any (array(select h.worker from locked h where h.worker is not null)) and w.ended_at is null
    order by w.id
    for no key update
), asked as (
    update "omniq".workers w
    set cancelled = array(
            select c.id from unnest(w.cancelled || r.ids, w.cancelled_seqs || r.seqs) as c(id, seq) group by c.seq, c.id order by c.seq, c.id),
        cancelled_seqs = array(
            select c.seq from unnest(w.cancelled || r.ids, w.cancelled_seqs || r.seqs) as c(id, seq) group by c.seq, c.id order by c.seq, c.id)
    from (select h.worker, array_agg(h.id) as ids, array_agg(h.seq) as seqs
          from locked h join locked_workers w on w.id = h.worker group by h.worker) r
    where w.id = any (array[r.worker])
    returning r.ids
)
select array(select g.rank from given g where g.id in (select id from deleted)),
       array(select g.rank from given g where g.id in (select unnest(ids) from asked)),
       case when "omniq".has_waits('') then "omniq".ring(array(select d.id from deleted d), null) end
