-- Declares workers lost whose lease has run out, and lists all lost ones. One that is claiming this very moment holds its
-- row by a lock, is skipped, and is found again at the next call.
with ended as (
    update {schema}.workers
    set ended_at = clock_timestamp()
    where id in (
        select id from {schema}.workers where ended_at is null and expires_at < now() for update skip locked)
    returning id
)
select id from ended
union all
select id from {schema}.workers where ended_at is not null
