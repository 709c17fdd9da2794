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
    returning w.id
)
select id from ended
union all
select id from "omniq".workers where ended_at is not null
