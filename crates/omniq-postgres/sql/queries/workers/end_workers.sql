-- Declares workers lost whose lease has ended, and lists all lost ones with what they were asked to stop, which does not change any more. A
-- worker that is claiming or renewing its lease holds its row by a lock, is skipped, and is found by the next call.
-- locks: those workers, skip locked
-- writes: workers
with ended as (
    update {schema}.workers w
    set ended_at = clock_timestamp()
    where w.id in (
        select o.id from {schema}.workers o
        where o.ended_at is null and {schema}.lease_end(o.id) < now()
        for update skip locked)
      -- Once more, now that the row is locked: the lease may have been extended in between.
      and {schema}.lease_end(w.id) < clock_timestamp()
    returning w.id, w.name, w.cancelled, w.cancelled_seqs
)
select id, name, cancelled, cancelled_seqs from ended
union all
select id, name, cancelled, cancelled_seqs from {schema}.workers where ended_at is not null
