-- Settles runs, each fenced by its claim, and answers with the places of those that were settled.
-- $1 ids, $2 workers and $3 claim numbers (null: nobody may hold it), $4 outcomes, $5 delays in seconds, $6 errors,
-- $7 whether completed tasks are kept, $8 whether it is all or nothing.
with given as materialized (
    select i.*, i.outcome in ('cancel', 'discard', 'expire') or (i.outcome = 'complete' and not $7) as leaves
    from unnest($1::uuid[], $2::bigint[], $3::integer[], $4::text[], $5::double precision[], $6::text[])
         with ordinality as i(id, worker, number, outcome, delay, error, place)
), matched as materialized (
    select t.id, t.count, g.outcome, g.delay, g.error, g.leaves, g.place
    -- One order for everybody, so that two batches never wait for each other.
    from (select * from given order by id) g
    cross join lateral (
        select t.id, t.count
        from {schema}.tasks t
        where t.id = g.id
          and case when g.worker is not null then t.worker = g.worker and t.claims = g.number and g.outcome <> 'expire'
                   else t.worker is null and t.state in (0, 1)
                        and (g.outcome = 'cancel' or g.outcome = 'expire' and t.expires_at <= now()) end
        for update
    ) t
), held as materialized (
    -- Of two settlements by the same claim the first counts.
    select distinct on (m.id, m.count) m.* from matched m order by m.id, m.count, m.place
), gone as (
    delete from {schema}.tasks t using held h
    where t.id = any (array[h.id]) and t.count = h.count and h.leaves
    returning h.place, t.id
), changed as (
    update {schema}.tasks t
    set worker = null, claimed_at = null,
        state = case h.outcome when 'complete' then 4 when 'fail' then 3
                               else case when h.delay > 0 then 0 else 1 end end,
        attempt = t.attempt - case when h.outcome in ('release', 'snooze') then 1 else 0 end,
        run_at = case when h.outcome in ('retry_later', 'snooze')
                      then clock_timestamp() + make_interval(secs => h.delay) else t.run_at end,
        expires_at = case when h.outcome in ('retry_later', 'snooze')
                          then {schema}.expiry(t, clock_timestamp() + make_interval(secs => h.delay))
                          else t.expires_at end,
        error = coalesce(h.error::jsonb, t.error)
    from held h
    where t.id = any (array[h.id]) and t.count = h.count and not h.leaves
    returning h.place, t.id, t.queue, t.state
), done as (
    select place, id from gone union all select place, id from changed
){stored}{logged}, bell as (
    select pg_notify({channel}, q.queue)
    from (select distinct queue from changed where state = 1) q
    where exists (select from {schema}.sleepers s where q.queue = any (s.queues))
)
select coalesce(array_agg(d.place), '{}') as settled,
       case when $8 and count(*) < (select count(*) from given)
            then {schema}.refuse('OQ001', format('task %s is not held by this claim (any more): nothing was changed',
                 (select g.id from given g where g.place not in (select place from done) limit 1))) end,
       (select count(*) from bell)
from done d
