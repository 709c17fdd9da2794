-- omniq: end_workers
with ended as (
    update "omniq".workers w
    set ended_at = clock_timestamp()
    where w.id in (
        select o.id from "omniq".workers o
        where o.ended_at is null and "omniq".lease_end(o.id) < now()
        for update skip locked)
      -- Once more, now that the row is locked: the lease may have been extended in between.
      and "omniq".lease_end(w.id) < clock_timestamp()
    returning w.id, w.name, w.cancelled, w.cancelled_seqs
)
select id, name, cancelled, cancelled_seqs from ended
union all
select id, name, cancelled, cancelled_seqs from "omniq".workers where ended_at is not null
