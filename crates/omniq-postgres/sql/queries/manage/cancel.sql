-- Removes tasks that no worker holds, with :withdraw, and asks the workers of the others to stop them. Runs after single_out.sql. Answers with
-- the positions in :ids of the removed and of the asked ones. A worker that was declared lost is not asked: its tasks may be about to be taken
-- back by a rescue that does not look again.
-- params: ids uuid[], withdraw boolean
-- index: tasks_id
-- locks: the tasks, for update; then their workers, for no key update, in the order of ids
-- writes: tasks, end_notes, workers, count_deltas; notifies
-- rows: of one task
-- cursors: kept
with given as (
    select u.id, u.rank from unnest(:ids) with ordinality as u(id, rank)
), {locked}, deleted as (
    delete from {schema}.tasks t using locked h
    where :withdraw and t.id = any (array[h.id]) and {of_one} and h.worker is null and h.state in ({scheduled}, {ready}, {blocked})
    returning t.id, t.queue, t.state, {present} as tasks, t.count, t.removed, t.linked
), moved as (
    select d.queue, d.state, false as running, -d.tasks as tasks from deleted d
), {gone}, {deltas}, locked_workers as materialized (
    -- In the order of their ids, so that two calls never deadlock.
    select w.id from {schema}.workers w
    where w.id = any (array(select h.worker from locked h where h.worker is not null)) and w.ended_at is null
    order by w.id
    for no key update
), asked as (
    update {schema}.workers w
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
       case when {schema}.has_waits('') then {schema}.ring(array(select d.id from deleted d), null) end
