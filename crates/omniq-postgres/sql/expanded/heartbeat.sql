-- $1 worker int8
-- $2 used int4
-- $3 last int8
-- $4 over uuid[]
-- omniq: heartbeat
with me as materialized (
    select w.id, w.lease, w.cancelled, w.cancelled_seqs,
           array(select c.id from unnest(w.cancelled, w.cancelled_seqs) as c(id, seq) where c.id <> all ($4) order by c.seq, c.id) as kept,
           array(select c.seq from unnest(w.cancelled, w.cancelled_seqs) as c(id, seq) where c.id <> all ($4) order by c.seq, c.id) as seqs
    from "omniq".workers w
    where w.id = $1 and w.ended_at is null
    for no key update
), taken as (
    update "omniq".workers w set cancelled = me.kept, cancelled_seqs = me.seqs from me where w.id = me.id and me.kept <> me.cancelled
), beat as (
    insert into "omniq".heartbeats (worker, ends_at, used) select me.id, clock_timestamp() + me.lease, $2 from me
    returning id
), last as (
    delete from "omniq".heartbeats b using me where b.worker = $1 and b.id = $3
), others as (
    delete from "omniq".heartbeats b using me where $3 is null and b.worker = $1
)
select me.cancelled, me.cancelled_seqs, beat.id from me, beat
